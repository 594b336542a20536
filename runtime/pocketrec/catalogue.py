"""The catalogue: what is known of each item, in one read-only SQLite file."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import BundleError
from pocketrec.items import Attribute, Item, decode_item, encode_item

_SCHEMA = """
CREATE TABLE items (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, item BLOB NOT NULL);
CREATE TABLE attributes (field TEXT NOT NULL, value NOT NULL, row INTEGER NOT NULL,
                         PRIMARY KEY (field, value, row)) WITHOUT ROWID;
"""
_CACHED_ITEMS = 4096
_CACHED_MASK_BYTES = 16_000_000


def facts_of(item: Item) -> Iterator[tuple[str, Attribute]]:
    """What an item can be filtered by: each category, and each attribute."""
    for category in dict.fromkeys(item.categories):
        yield "categories", category
    yield from item.attributes.items()


def write_catalogue(path: Path, items: Sequence[Item]) -> None:
    """Write a new catalogue; an item's row is its place in `items`. The same items give the same bytes.

    Raises:
        ValueError: Two items have one id, or one can't be stored.
    """
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO items VALUES (?, ?, ?)", ((row, item.id, encode_item(item)) for row, item in enumerate(items))
        )
        facts = sorted(
            (field, str(type(value)), value, row) for row, item in enumerate(items) for field, value in facts_of(item)
        )
        connection.executemany(
            "INSERT OR IGNORE INTO attributes VALUES (?, ?, ?)", ((field, value, row) for field, _, value, row in facts)
        )
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    except sqlite3.IntegrityError:
        twice, _ = Counter(item.id for item in items).most_common(1)[0]
        raise ValueError(f"two items have the id {twice!r}; ids must be unique") from None
    finally:
        connection.close()


class Catalogue:
    """Items by id or row, and the rows that match a condition.

    Safe to use from several threads.
    """

    def __init__(self, connection: sqlite3.Connection, ids: list[str]) -> None:
        self.ids = ids
        """Id of each row."""
        self.rows = {id: row for row, id in enumerate(ids)}
        """Row of each id."""
        self._connection = connection
        self._lock = threading.Lock()
        self.item = lru_cache(_CACHED_ITEMS)(self._read_item)
        """`item(row)` is the item of a row."""
        masks = max(16, _CACHED_MASK_BYTES // max(1, len(ids)))
        self.matching = lru_cache(masks)(self._read_matching)
        """`matching(field, value)` is a read-only mask of the rows that have this value."""
        self.between = lru_cache(masks)(self._read_between)
        """`between(field, least, most)` is that of the rows whose value lies in a range, ends included; `None` leaves
        an end open."""

    @classmethod
    def open(cls, path: Path) -> "Catalogue":
        """Open a file that `write_catalogue` wrote; it is never changed.

        Raises:
            BundleError: The file is none of these.
        """
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            return cls(connection, [id for (id,) in connection.execute("SELECT id FROM items ORDER BY row")])
        except sqlite3.Error as error:
            raise BundleError(f"{path} is not a catalogue: {error}") from None

    def __len__(self) -> int:
        """Number of items."""
        return len(self.ids)

    def all_items(self) -> list[Item]:
        """Every item, by row."""
        return [decode_item(blob) for (blob,) in self._query("SELECT item FROM items ORDER BY row")]

    @cached_property
    def fields(self) -> frozenset[str]:
        """Names that conditions may use: `categories`, if an item has any, and the attributes."""
        return frozenset(str(name) for (name,) in self._query("SELECT DISTINCT field FROM attributes"))

    def _read_item(self, row: int) -> Item:
        ((blob,),) = self._query("SELECT item FROM items WHERE row = ?", (row,))
        return decode_item(blob)

    def _read_matching(self, field: str, value: Attribute) -> NDArray[np.bool_]:
        return self._mask("SELECT row FROM attributes WHERE field = ? AND value = ?", (field, value))

    def _read_between(self, field: str, least: Attribute | None, most: Attribute | None) -> NDArray[np.bool_]:
        where, values = "field = ?", list[Attribute]([field])
        for sign, end in ((">=", least), ("<=", most)):
            if end is not None:
                where += f" AND value {sign} ?"
                values.append(end)
        # SQLite sorts every number before every text: a range compares values of its own kind alone.
        kind = "('text')" if isinstance(least if least is not None else most, str) else "('integer', 'real')"
        return self._mask(f"SELECT row FROM attributes WHERE {where} AND typeof(value) IN {kind}", values)

    def _mask(self, query: str, values: Sequence[Attribute]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.ids), np.bool_)
        mask[np.array(self._query(query, values), dtype=np.int64).ravel()] = True
        mask.flags.writeable = False
        return mask

    def _query(self, query: str, values: Sequence[Attribute] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()
