"""What there is to prepare: the files of a source and how to read each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pocketrec_training.prepare.delimited import Delimited

TABLES = ("items", "interactions", "users", "friends", "queries", "qrels")

_PLAIN = Delimited()
Shape = Callable[[pl.LazyFrame], pl.LazyFrame]


def unchanged(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The shape of most tables: as their file has it."""
    return frame


@dataclass(frozen=True, slots=True)
class TableFile:
    """One table of a source as it lies on disk."""

    path: Path
    layout: Delimited = _PLAIN
    """For CSV, TSV and the like; other formats describe themselves."""
    shape: Shape = unchanged
    """Brings the layout's own conventions, such as one column a genre, into plain columns."""


@dataclass(frozen=True, slots=True)
class Source:
    """Files to prepare."""

    name: str
    location: str
    """As the person named it."""
    reader: str
    """Layout that was recognised, in words: "MovieLens 100K"."""
    tables: Mapping[str, TableFile]
    """By names of `TABLES`."""
    licence: str = ""
    """What the layout implies about the licence."""
    columns_known: bool = False
    """Whether the layout says which column is which, so that nothing is guessed."""
    unread: tuple[str, ...] = ()
    """Files beside the tables that play no part."""
