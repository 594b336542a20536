"""Opening source files, plain or compressed."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pocketrec.errors import DataError


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file being read."""

    stream: BinaryIO
    """Its content, decompressed."""
    disk: BinaryIO
    """Its bytes on disk, whose position tells how far reading has come."""

    @property
    def consumed(self) -> int:
        """Bytes on disk read so far."""
        return self.disk.tell()


@contextmanager
def open_source(path: Path) -> Iterator[OpenFile]:
    """Open a file for reading; `.gz` is decompressed on the way.

    Raises:
        DataError: The file can't be opened, or is not a whole gzip file.
    """
    try:
        with path.open("rb") as disk:
            if path.suffix.lower() != ".gz":
                yield OpenFile(disk, disk)
                return
            with gzip.open(disk) as stream:
                yield OpenFile(cast(BinaryIO, stream), disk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}") from None
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from None


def file_format(path: Path) -> str:
    """Ending that tells the format, in lower case and without `.gz`.

    Example:
        >>> file_format(Path("logs/items.JSONL.gz"))
        '.jsonl'
    """
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix
