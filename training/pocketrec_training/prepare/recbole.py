"""RecBole's atomic files: NAME.inter, NAME.item, NAME.user, whose headers tell each column's type."""

from pathlib import Path

import polars as pl

from pocketrec.errors import DataError
from pocketrec_training.prepare.columns import SYNONYMS
from pocketrec_training.prepare.delimited import Delimited
from pocketrec_training.prepare.source import Source, TableFile

_TABLES = {".inter": "interactions", ".item": "items", ".user": "users", ".net": "friends"}
_LAYOUT = Delimited("\t", quoted=False)


def recbole_source(path: Path, location: str) -> Source | None:
    """The source of a folder with atomic files, or of one NAME.inter with its siblings; nothing otherwise.

    Raises:
        DataError: The folder holds several data sets.
    """
    found = [path] if path.suffix == ".inter" else sorted(path.glob("*.inter")) if path.is_dir() else []
    if not found:
        return None
    if len(found) > 1:
        raise DataError(f"{location} holds several data sets: name one of {', '.join(file.name for file in found)}")
    files = {_TABLES[suffix]: found[0].with_suffix(suffix) for suffix in _TABLES}
    tables = {table: TableFile(file, _LAYOUT, plain_columns) for table, file in files.items() if file.exists()}
    return Source(found[0].stem, location, "RecBole atomic files", tables)


def plain_columns(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Names without types; sequences of tokens as lists, except in titles and texts, which are words."""
    words = {*SYNONYMS["items"]["title"], *SYNONYMS["items"]["text"]}
    columns = []
    for header in frame.collect_schema().names():
        name, _, kind = header.partition(":")
        column = pl.col(header)
        if kind.endswith("_seq") and name not in words:
            column = column.str.split(" ")
        columns.append(column.alias(name))
    return frame.select(columns)
