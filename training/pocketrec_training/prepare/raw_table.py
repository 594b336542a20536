"""A table as its source has it: columns under the source's names, rows with their line."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pocketrec_training.prepare.broken import BrokenRows

LINE = "\x00line"
"""Column of a row's line in its file; no source has a column of this name."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file."""

    rows: pl.DataFrame
    """Columns of the source and `LINE`."""
    consumed: int
    """Bytes of the file read up to here."""


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table that can be scanned as often as needed without being held in memory."""

    path: Path
    unit: str
    """What `LINE` counts: "line" of a text file, "row" of a Parquet file."""
    frame: pl.LazyFrame
    columns: dict[str, pl.DataType]
    typed: bool
    """Whether the file says what is a number and what is text; a CSV file doesn't."""
    rows: int
    """Rows of the file, broken ones included."""
    broken: BrokenRows

    def place(self, line: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.path.name}, {self.unit} {line}"


def text_of(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as trimmed text, null where nothing is left.

    Whole floats lose their `.0`: ids become floats when a table with gaps passes through other tools.
    """
    column = pl.col(name)
    if dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        text = pl.when(whole.cast(pl.Float64) == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    elif isinstance(dtype, pl.List):
        text = column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    else:
        text = column.cast(pl.String)
    text = text.str.strip_chars()
    return pl.when(text != "").then(text)
