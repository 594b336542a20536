"""A folder of work that is taken up again and again belongs to the settings it was begun with."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.errors import DataError
from pocketrec.staging import write_whole


class _Owner(Config, frozen=True, kw_only=True):
    """What stands in the mark."""

    digest: str
    """Of the settings."""


def claim(folder: Path, mark: str, what: str, settings: Mapping[str, object]) -> None:
    """Mark a new folder as made by these settings, or see that an old one is.

    Args:
        folder: To work in.
        mark: File that says by what it was made.
        what: What is done there, for the message: "an experiment".
        settings: All that shapes what comes out.

    Raises:
        DataError: The folder was begun with other settings, or holds other things.
    """
    path, digest = folder / mark, text_digest(msgspec.json.encode(settings).decode())
    if path.exists():
        if msgspec.json.decode(path.read_bytes(), type=_Owner).digest != digest:
            raise DataError(f"{folder} holds {what} with other settings: name another --work, or remove it")
    elif folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} exists and is not {what}; name a new folder")
    else:
        write_whole(path, msgspec.json.encode(_Owner(digest=digest)))
