"""Write a folder or file aside and rename it when it is whole, so that nobody ever meets half of one."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from pocketrec.errors import DataError


def check_replaceable(target: Path, what: str, contents: Sequence[str]) -> None:
    """Refuse to write where something lies that this program didn't make.

    Args:
        target: Folder that is about to be written.
        what: What is written, for the message: "a data set".
        contents: Names of the files and folders that an older one of its kind has, or patterns such as `*.ort`; the
            first is in each of them. If there is none, only an empty folder may be replaced.

    Raises:
        DataError: The folder holds other things, or is a file.
    """
    if not target.exists():
        return
    names = sorted(path.name for path in target.iterdir()) if target.is_dir() else [target.name]
    if names and (not target.is_dir() or not contents or contents[0] not in names):
        raise DataError(f"{target} exists and is not {what}; name a new folder, so that nothing of yours is replaced")
    foreign = [name for name in names if not any(fnmatch(name, pattern) for pattern in contents)]
    if foreign:
        raise DataError(f"{target / foreign[0]} isn't part of {what} and would be lost: move it, or name a new folder")


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block ends without an error.

    An older `target` stays as it was until then, and is kept if the block fails.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    aside.chmod(0o755)
    try:
        yield aside
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            target.rename(old / target.name)
            try:
                aside.rename(target)
            except OSError:
                (old / target.name).rename(target)
                old.rmdir()
                raise
            shutil.rmtree(old)
        else:
            aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Of a link the file that it leads to is written; to a device or a pipe, such as `/dev/stdout`, content is sent.
    """
    path = path.absolute()
    if Path("/dev") in path.parents or path.is_fifo():
        with path.open("ab") as file:
            file.write(content)
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
