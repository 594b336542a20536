"""The overlay: items added, changed and removed since export, in one SQLite file that survives any crash."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import OverlayError
from pocketrec.items import Item, decode_item, encode_item

FORMAT = 2
"""2: what the encoder makes of an item's text stands beside where the item stands. 1: not yet."""
NAME = "overlay.sqlite"
_APPLICATION = int.from_bytes(b"Pkrc", "big")
"""Stands in the file's header: by it we know our own."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS changes (id TEXT PRIMARY KEY, item BLOB, vector BLOB, read BLOB)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)

_UPGRADE = (
    "ALTER TABLE changes ADD COLUMN read BLOB",
    "DELETE FROM meta WHERE key = 'reading'",  # so all texts are read again
    f"PRAGMA user_version = {FORMAT}",
)
_WAIT = 10.0
"""Seconds for which another writer is waited for."""
_STORED = "SELECT item FROM changes WHERE item IS NOT NULL ORDER BY id"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Of items."""

    placed: Floats
    """Where they stand among all others, float32 [items, dim]."""
    read: Floats
    """What the encoder makes of their texts, float32 [items, dim]; 0 of one that reads as it did at export."""

    @classmethod
    def none(cls, dim: int) -> "Vectors":
        """Of no items."""
        return cls(np.zeros((0, dim), np.float32), np.zeros((0, dim), np.float32))


Read = Callable[[Sequence[Item]], Vectors]
"""Gives the vectors of items."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What the overlay holds at one moment; never altered, so a request sees one state throughout."""

    items: tuple[Item, ...]
    vectors: Vectors
    removed: frozenset[str]


class Overlay:
    """The store behind `upsert` and `remove`.

    A row without an item says "removed". Every change is committed, and synced to the disk, before the call returns.
    The last bundle that opened it owns its vectors: from then on one that reads otherwise can't use it.
    """

    def __init__(self, connection: sqlite3.Connection, where: str, reading: str, dim: int) -> None:
        self._connection = connection
        self._where = where
        self._reading = reading
        self._dim = dim

    @classmethod
    def open(cls, folder: Path | None, reading: str, dim: int, read: Read) -> "Overlay":
        """Open the store in a folder, or make it; without a folder it lives in memory.

        Args:
            folder: Where `overlay.sqlite` lies.
            reading: Names how items become vectors. If the stored vectors come from another reading, such as that of
                an earlier bundle, all stored items are read again.
            dim: Length of vectors.
            read: Gives vectors of items.

        Raises:
            OverlayError: The file isn't an overlay, is damaged, or of a newer format. It is left as it was.
        """
        where = ":memory:" if folder is None else str(folder / NAME)
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(where, check_same_thread=False, isolation_level=None, timeout=_WAIT)
        except (OSError, sqlite3.Error) as error:
            raise OverlayError(f"{where} can't be opened: {error}") from None
        return cls._ready(connection, where, reading, dim, read)

    @classmethod
    def copied(cls, folder: Path, reading: str, dim: int, read: Read) -> "Overlay":
        """Open a copy in memory of what the store in a folder holds now; the folder stays as it is, and its owner's.

        Args:
            folder: Where `overlay.sqlite` lies.
            reading: As for `open`.
            dim: As for `open`.
            read: As for `open`.

        Raises:
            OverlayError: There is no such file, it isn't an overlay, is damaged, or of a newer format.
        """
        path, last = folder / NAME, time.monotonic() + _WAIT
        if not path.is_file():
            raise OverlayError(f"{folder} holds no overlay: {NAME} is missing")
        log = path.with_name(f"{NAME}-wal")
        # Of a file that nobody has open SQLite would make a log, which a reader can't take away again.
        alone = "" if log.exists() and log.stat().st_size else "&immutable=1"

        def patience(*_: int) -> None:
            if time.monotonic() > last:
                raise sqlite3.OperationalError("database is locked")

        copy = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        try:
            stored = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{alone}", uri=True, timeout=_WAIT)
            with closing(stored):
                stored.backup(copy, progress=patience)
        except sqlite3.Error as error:
            copy.close()
            raise OverlayError(f"{path} can't be read: {error}") from None
        return cls._ready(copy, str(path), reading, dim, read)

    @classmethod
    def _ready(cls, connection: sqlite3.Connection, where: str, reading: str, dim: int, read: Read) -> "Overlay":
        overlay = cls(connection, where, reading, dim)
        try:
            overlay._prepare()
            overlay._take_over(read)
        except BaseException:
            overlay.close()
            raise
        return overlay

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Add items or put them in the place of those with the same id; all of them or none.

        Raises:
            OverlayError: Another bundle has taken the store over, or the file can't be changed.
        """
        with self._own_transaction():
            self._put(items, vectors)

    def remove(self, ids: Sequence[str]) -> None:
        """Note that items are gone; all of them or none.

        Raises:
            OverlayError: Another bundle has taken the store over, or the file can't be changed.
        """
        with self._own_transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO changes VALUES (?, NULL, NULL, NULL)", ((id,) for id in ids))

    def changes(self) -> Changes:
        """Everything stored, in the order of ids.

        Raises:
            OverlayError: Another bundle has taken the store over, or the file can't be read.
        """
        with self._own_transaction("BEGIN"):
            rows = self._run("SELECT id, item, vector, read FROM changes ORDER BY id")
        kept = [line for _, *line in rows if line[0] is not None]
        return Changes(
            items=tuple(self._item(item) for item, _, _ in kept),
            vectors=Vectors(self._array([placed for _, placed, _ in kept]), self._array([read for *_, read in kept])),
            removed=frozenset(id for id, item, *_ in rows if item is None),
        )

    def close(self) -> None:
        """Close the file; the overlay can't be used after."""
        self._connection.close()

    def _prepare(self) -> None:
        """Make the tables of a new file; refuse one that isn't ours."""
        with self._transaction() as connection:  # of several programs that make it at once, one does
            ((application,),) = self._run("PRAGMA application_id")
            ((tables,),) = self._run("SELECT count(*) FROM sqlite_master")
            ((format,),) = self._run("PRAGMA user_version")
            if application != _APPLICATION and (application or tables):
                raise OverlayError(
                    f"{self._where} is not an overlay but another program's database; name another folder"
                )
            if format > FORMAT:
                raise OverlayError(
                    f"{self._where} has format {format}; this version of pocketrec reads up to {FORMAT}: "
                    "pip install --upgrade pocketrec"
                )
            for statement in _SCHEMA if not tables else _UPGRADE if format < FORMAT else ():
                connection.execute(statement)
        self._write_ahead()
        self._run("PRAGMA synchronous = FULL")

    def _write_ahead(self) -> None:
        """Switch the log on; SQLite doesn't wait by itself for others who are about to."""
        last = time.monotonic() + _WAIT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.Error as error:
                if "locked" not in str(error) or time.monotonic() > last:
                    raise self._wrong(error) from None
                time.sleep(0.01)

    def _take_over(self, read: Read) -> None:
        """Read all items again if another bundle had them; meanwhile others may write, and then it is done again."""
        while self._owner() != self._reading:
            stored = self._run(_STORED)
            items = [self._item(item) for (item,) in stored]
            vectors = read(items)
            with self._transaction() as connection:
                if self._run(_STORED) == stored:
                    self._put(items, vectors)
                    connection.execute("INSERT OR REPLACE INTO meta VALUES ('reading', ?)", (self._reading,))

    def _owner(self) -> str | None:
        """The reading that stored vectors come from."""
        return next((reading for (reading,) in self._run("SELECT value FROM meta WHERE key = 'reading'")), None)

    def _put(self, items: Sequence[Item], vectors: Vectors) -> None:
        rows = (
            (item.id, encode_item(item), placed.tobytes(), read.tobytes())
            for item, placed, read in zip(items, vectors.placed, vectors.read, strict=True)
        )
        self._connection.executemany("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?)", rows)

    @contextmanager
    def _own_transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """One in which stored vectors are of this reading."""
        with self._transaction(begin) as connection:
            if self._owner() != self._reading:
                raise OverlayError(
                    f"{self._where} has been taken over by another bundle, in whose space its vectors lie now: "
                    "load this bundle with an overlay of its own, or the other bundle"
                )
            yield connection

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it itself when the disk is full
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._wrong(error) from None

    def _run(self, statement: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement).fetchall()
        except sqlite3.Error as error:
            raise self._wrong(error) from None

    def _wrong(self, error: sqlite3.Error) -> OverlayError:
        if type(error) is sqlite3.DatabaseError:
            return OverlayError(f"{self._where} is not an overlay or is damaged: {error}")
        return OverlayError(f"{self._where} can't be used: {error}")  # closed, locked, read-only, or the disk is full

    def _array(self, stored: Sequence[object]) -> Floats:
        whole = [vector for vector in stored if isinstance(vector, bytes) and len(vector) == 4 * self._dim]
        if len(whole) < len(stored):
            raise OverlayError(f"{self._where} is damaged: a vector isn't {self._dim} long")
        return np.frombuffer(b"".join(whole), np.float32).reshape(-1, self._dim)

    def _item(self, stored: bytes) -> Item:
        try:
            return decode_item(stored)
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
            raise OverlayError(f"{self._where} is damaged: an item can't be read: {error}") from None
