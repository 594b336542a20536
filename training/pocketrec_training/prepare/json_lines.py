"""JSON Lines: one object a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pocketrec_training.prepare.broken import BrokenRows, shown
from pocketrec_training.prepare.files import open_source
from pocketrec_training.prepare.raw_table import LINE, Batch

_BATCH = 50_000
OBJECTS = pl.List(pl.Null)
"""Type of a column that holds objects alone: nothing that can be used, and that can be told."""


def read_json_lines(path: Path, broken: BrokenRows) -> Iterator[Batch]:
    """Read a file in batches of rows; values keep their types, objects inside objects are nothing.

    Raises:
        DataError: Broken rows were not to be skipped.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    with open_source(path) as file:
        for number, line in enumerate(file.stream, start=1):
            if not line.strip():
                continue
            try:
                row = decoder.decode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                content = shown(line.decode("utf-8", "backslashreplace").strip())
                broken.add(f"{path.name}, line {number}: {content} is not a JSON object ({error})")
                continue
            rows.append(row)
            numbers.append(number)
            if len(rows) == _BATCH:
                yield Batch(_frame(rows, numbers), file.consumed)
                rows, numbers = [], []
        yield Batch(_frame(rows, numbers), file.consumed)


def _frame(rows: list[dict[str, Any]], numbers: list[int]) -> pl.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _series([row.get(name) for row in rows]) for name in names}
    return pl.DataFrame(columns | {LINE: pl.Series(numbers, dtype=pl.Int64)})


def _series(values: list[Any]) -> pl.Series:
    objects = any(isinstance(value, dict) for value in values)
    values = [None if isinstance(value, dict) else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if objects and not kinds:
        return pl.Series(values, dtype=OBJECTS)
    if list in kinds:
        return pl.Series([None if value is None else list(flat(value)) for value in values], dtype=pl.List(pl.String))
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    if not kinds:
        return pl.Series(values, dtype=pl.Null)
    if kinds <= {int, float} and all(value is None or abs(value) < 2**63 for value in values):
        return pl.Series(values, dtype=pl.Int64 if kinds == {int} else pl.Float64, strict=False)
    return pl.Series([None if value is None else _text(value) for value in values], dtype=pl.String)


def flat(value: object) -> Iterator[str]:
    """Texts of a value, of a list those of its parts; objects have none."""
    if isinstance(value, list):
        for part in value:
            yield from flat(part)
    elif value is not None and not isinstance(value, dict):
        yield _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
