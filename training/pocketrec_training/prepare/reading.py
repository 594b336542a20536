"""From a file of any format to a raw table that can be scanned."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from pocketrec.errors import DataError
from pocketrec.progress import progress
from pocketrec_training.prepare.broken import BrokenRows
from pocketrec_training.prepare.delimited import read_delimited
from pocketrec_training.prepare.files import file_format, open_source
from pocketrec_training.prepare.json_lines import OBJECTS, read_json_lines
from pocketrec_training.prepare.options import PrepareConfig
from pocketrec_training.prepare.raw_table import LINE, Batch, RawTable
from pocketrec_training.prepare.source import TableFile

DELIMITED = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".item", ".user", ".net")
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq", ".brotli")


def read_table(file: TableFile, scratch: Path, options: PrepareConfig) -> RawTable:
    """Read a table's file; text formats are spooled to Parquet in `scratch`, a batch at a time.

    Raises:
        DataError: The file can't be read, or has broken rows that were not to be skipped.
    """
    broken = BrokenRows(options.on_error)
    form = file_format(file.path)
    if form in PARQUET:
        return _parquet(file, scratch, broken)
    if form in JSON_LINES:
        batches = read_json_lines(file.path, broken)
    elif form in DELIMITED:
        layout = file.layout
        if layout.encoding == "utf-8":
            layout = replace(layout, encoding=options.encoding)
        if form == ".tsv" and not layout.separator:
            layout = replace(layout, separator="\t")
        batches = read_delimited(file.path, layout, broken)
    else:
        raise DataError(f"{file.path}: can't tell its format; CSV, TSV, JSONL and Parquet files are read, also as .gz")
    frame, rows = _spool(batches, file.path, scratch)
    return _table(file, "line", frame, form in JSON_LINES, rows + broken.count, broken)


def _spool(batches: Iterator[Batch], path: Path, scratch: Path) -> tuple[pl.LazyFrame, int]:
    folder = scratch / path.name
    folder.mkdir(parents=True)
    parts: list[pl.LazyFrame] = []
    rows = consumed = 0
    with progress(f"Reading {path.name}", total=_size(path)) as shown:
        for batch in batches:
            part = folder / f"{len(parts):06}.parquet"
            batch.rows.write_parquet(part, compression="lz4")
            parts.append(pl.scan_parquet(part))
            rows += len(batch.rows)
            shown.advance(batch.consumed - consumed)
            consumed = batch.consumed
    return _joined(parts), rows


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _joined(parts: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Parts under one another; a column whose type differs between parts takes the widest."""
    schemas = [part.collect_schema() for part in parts]
    kinds: dict[str, set[pl.DataType]] = {}
    for schema in schemas:
        for name, kind in schema.items():
            kinds.setdefault(name, set()).add(kind)
    widest = {name: _widest((found - {pl.Null(), OBJECTS}) or found) for name, found in kinds.items()}
    return pl.concat(
        [
            part.with_columns(_cast(name, kind, widest[name]) for name, kind in schema.items() if kind != widest[name])
            for part, schema in zip(parts, schemas, strict=True)
        ],
        how="diagonal",
    )


def _widest(kinds: set[pl.DataType]) -> pl.DataType:
    if kinds == {pl.Null()}:
        return pl.String()
    if len(kinds) == 1:
        return next(iter(kinds))
    if any(isinstance(kind, pl.List) for kind in kinds):
        return pl.List(pl.String)
    if kinds == {pl.Int64(), pl.Float64()}:
        return pl.Float64()
    return pl.String()


def _cast(name: str, kind: pl.DataType, target: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(target, pl.List) and kind not in (pl.Null(), OBJECTS):
        text = column.cast(pl.String)
        return pl.when(text.is_not_null()).then(pl.concat_list(text)).alias(name)
    return column.cast(target)


def _parquet(file: TableFile, scratch: Path, broken: BrokenRows) -> RawTable:
    path = file.path
    if path.suffix.lower() == ".gz":
        path = scratch / file.path.name.removesuffix(path.suffix)
        with open_source(file.path) as packed, path.open("wb") as plain:
            shutil.copyfileobj(packed.stream, plain)
    try:
        frame = pl.scan_parquet(path)
        rows = frame.select(pl.len()).collect().item()
    except OSError as error:
        raise DataError(f"can't read {file.path}: {error.strerror or error}") from None
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{file.path} is not a Parquet file: {error}") from None
    return _table(file, "row", frame.with_row_index(LINE, 1).cast({LINE: pl.Int64}), True, rows, broken)


def _table(file: TableFile, unit: str, frame: pl.LazyFrame, typed: bool, rows: int, broken: BrokenRows) -> RawTable:
    frame = file.shape(frame)
    columns = {name: kind for name, kind in frame.collect_schema().items() if name != LINE}
    return RawTable(file.path, unit, frame, columns, typed, rows, broken)
