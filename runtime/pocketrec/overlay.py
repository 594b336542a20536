"""The overlay: items added, changed and removed since export, in one SQLite file that survives any crash."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import OverlayError
from pocketrec.items import Item

FORMAT = 1
NAME = "overlay.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS changes (id TEXT PRIMARY KEY, item BLOB, vector BLOB);
"""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Item).decode

Floats = NDArray[np.float32]
Read = Callable[[Sequence[Item]], Floats]
"""Gives the vectors of items, float32 [items, dim]."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What the overlay holds at one moment; never altered, so a request sees one state throughout."""

    items: tuple[Item, ...]
    vectors: Floats
    """Float32 [items, dim]."""
    removed: frozenset[str]


class Overlay:
    """The store behind `upsert` and `remove`.

    A row without an item says "removed". Every change is committed, and synced to the disk, before the call returns.
    """

    def __init__(self, connection: sqlite3.Connection, where: str, dim: int) -> None:
        self._connection = connection
        self._where = where
        self._dim = dim

    @classmethod
    def open(cls, folder: Path | None, reading: str, dim: int, read: Read) -> "Overlay":
        """Open the store in a folder, or make it; without a folder it lives in memory.

        Args:
            folder: Where `overlay.sqlite` lies.
            reading: Names how texts become vectors. If the stored vectors come from another reading, such as that of
                an earlier bundle, all stored items are read again.
            dim: Length of vectors.
            read: Gives vectors of items.

        Raises:
            OverlayError: The file isn't an overlay, is damaged, or of a newer format. It is left as it was.
        """
        if folder is None:
            overlay = cls(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None), "overlay", dim)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / NAME
            connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            overlay = cls(connection, str(path), dim)
        overlay._prepare(reading, read)
        return overlay

    def upsert(self, items: Sequence[Item], vectors: Floats) -> None:
        """Add items or put them in the place of those with the same id; all of them or none."""
        self._change([(item.id, _encode(item), vector.tobytes()) for item, vector in zip(items, vectors, strict=True)])

    def remove(self, ids: Sequence[str]) -> None:
        """Note that items are gone; all of them or none."""
        self._change([(id, None, None) for id in ids])

    def changes(self) -> Changes:
        """Everything stored, in the order of ids."""
        rows = self._run("SELECT id, item, vector FROM changes ORDER BY id")
        kept = [(item, vector) for _, item, vector in rows if item is not None]
        vectors = [np.frombuffer(vector, np.float32) for _, vector in kept]
        if any(len(vector) != self._dim for vector in vectors):
            raise OverlayError(f"{self._where} holds vectors of other lengths than {self._dim}")
        return Changes(
            items=tuple(_decode(item) for item, _ in kept),
            vectors=np.stack(vectors) if vectors else np.zeros((0, self._dim), np.float32),
            removed=frozenset(id for id, item, _ in rows if item is None),
        )

    def close(self) -> None:
        """Close the file; the overlay can't be used after."""
        self._connection.close()

    def _prepare(self, reading: str, read: Read) -> None:
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")
        for statement in filter(str.strip, _SCHEMA.split(";")):
            self._run(statement)
        meta = dict(self._run("SELECT key, value FROM meta"))
        if int(meta.get("format", FORMAT)) > FORMAT:
            raise OverlayError(
                f"{self._where} has format {meta['format']}; this version of pocketrec reads up to {FORMAT}: "
                "pip install --upgrade pocketrec"
            )
        if meta.get("reading") != reading:
            stored = [_decode(item) for (item,) in self._run("SELECT item FROM changes WHERE item IS NOT NULL")]
            again = [(item.id, _encode(item), v.tobytes()) for item, v in zip(stored, read(stored), strict=True)]
            self._change(again, [("format", str(FORMAT)), ("reading", reading)])

    def _change(
        self, rows: Sequence[tuple[str, bytes | None, bytes | None]], meta: Sequence[tuple[str, str]] = ()
    ) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT OR REPLACE INTO changes VALUES (?, ?, ?)", rows)
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise OverlayError(f"{self._where} can't be changed: {error}") from None

    def _run(self, statement: str) -> list[tuple[str, bytes, bytes]]:
        try:
            return self._connection.execute(statement).fetchall()
        except sqlite3.Error as error:
            raise OverlayError(f"{self._where} is not an overlay or is damaged: {error}") from None
