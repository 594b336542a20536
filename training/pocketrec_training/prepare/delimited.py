"""CSV, TSV and their kin: fields between separators, one record after another."""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pocketrec.errors import ConfigError, DataError
from pocketrec_training.prepare.broken import BrokenRows, shown
from pocketrec_training.prepare.files import open_source
from pocketrec_training.prepare.raw_table import LINE, Batch

_BATCH = 100_000
_LONGEST = 2**20
"""Characters of a field; with no end to them, a quote that is never closed would take the rest of the file."""
csv.field_size_limit(_LONGEST)
_SEPARATORS = (",", "\t", ";", "|")


@dataclass(frozen=True, slots=True)
class Delimited:
    """Layout of a delimited file."""

    separator: str = ""
    """Between fields; empty: the most frequent of comma, tab, ; and | in the header."""
    header: tuple[str, ...] = ()
    """Columns of a file that doesn't name them in its first line."""
    quoted: bool = True
    """Whether double quotes protect separators and line ends, as in RFC 4180."""
    encoding: str = "utf-8"


def read_delimited(path: Path, layout: Delimited, broken: BrokenRows) -> Iterator[Batch]:
    """Read a file in batches of rows, all columns as text; those without a name, as spreadsheets add, are left out.

    A record that opens a quote and never closes it is broken alone: reading goes on at its second line.

    Raises:
        DataError: The file has no header, or broken rows were not to be skipped.
        ConfigError: There is no such encoding.
    """
    try:
        codecs.lookup(layout.encoding)
    except LookupError:
        raise ConfigError(f"there is no encoding {layout.encoding!r}; utf-8, latin-1 and cp1252 are usual") from None
    with open_source(path) as file:
        text = io.TextIOWrapper(file.stream, layout.encoding, errors="surrogateescape", newline="")
        lines = _Lines(text)
        separator = layout.separator or _guess_separator(lines.peek())
        records = _Records(lines, separator, layout.quoted)
        header = list(layout.header) or _header(records, path)
        rows: list[list[str]] = []
        numbers: list[int] = []
        for number, fields in records:
            if fields is not None and len(fields) == len(header):
                rows.append(fields)
                numbers.append(number)
                if len(rows) == _BATCH:
                    yield Batch(_frame(rows, numbers, header, path, layout, broken), file.consumed)
                    rows, numbers = [], []
            elif fields != [] and fields != [""]:
                why = records.why if fields is None else f"{len(fields)} fields instead of {len(header)}"
                broken.add(f"{path.name}, line {number}: {why} in {shown(lines.record[0].rstrip())}")
                lines.keep_first()
        yield Batch(_frame(rows, numbers, header, path, layout, broken), file.consumed)


class _Lines:
    """Lines one by one; of the current record all but the first can be put back."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._ahead: deque[str] = deque()
        self.number = 0
        self.record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._stream)
        self.number += 1
        self.record.append(line)
        return line

    def peek(self) -> str:
        """The next line, or nothing at the end."""
        if not self._ahead:
            self._ahead.extend(line for line in [next(self._stream, "")] if line)
        return self._ahead[0] if self._ahead else ""

    def keep_first(self) -> None:
        """Put back all lines of the current record but its first."""
        again = self.record[1:]
        self._ahead.extendleft(reversed(again))
        self.number -= len(again)
        self.record = self.record[:1]


class _Records:
    """Records with the number of their first line; `None` where quotes are wrong, and `why` tells how."""

    def __init__(self, lines: _Lines, separator: str, quoted: bool) -> None:
        self._lines = lines
        self.why = ""
        if quoted and len(separator) == 1:
            self._fields: Iterator[list[str]] = csv.reader(lines, delimiter=separator, strict=True)
        else:
            self._fields = (line.rstrip("\r\n").split(separator) for line in lines)

    def __iter__(self) -> Iterator[tuple[int, list[str] | None]]:
        return self

    def __next__(self) -> tuple[int, list[str] | None]:
        self._lines.record.clear()
        number = self._lines.number + 1
        try:
            return number, next(self._fields)
        except csv.Error as error:
            long = "field larger" in str(error)
            self.why = (
                f"a field above {_LONGEST:,} characters, or a quote without end" if long else f"bad quotes ({error})"
            )
            return number, None


def _guess_separator(line: str) -> str:
    return max(_SEPARATORS, key=line.count)


def _header(records: _Records, path: Path) -> list[str]:
    _, names = next(records, (0, None))
    header = [name.removeprefix("\ufeff").strip() for name in names or ()]
    if not any(header):
        raise DataError(f"{path.name}, line 1: no header with the names of columns {records.why}".rstrip())
    for name in header:
        if name and header.count(name) > 1:
            raise DataError(f"{path.name}, line 1: column {name!r} stands there twice; give each its own name")
        if not name.isprintable():
            raise DataError(f"{path.name}, line 1: {shown(name)} is not a name of a column; is this a text file?")
    return header


def _frame(
    rows: list[list[str]],
    numbers: list[int],
    header: list[str],
    path: Path,
    layout: Delimited,
    broken: BrokenRows,
) -> pl.DataFrame:
    try:
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
        frame = pl.DataFrame(
            {name: pl.Series(values, dtype=pl.String) for name, values in zip(header, columns, strict=True) if name}
        )
    except UnicodeEncodeError:
        # Bytes that are no characters arrive as lone surrogates, which no polars string can hold.
        sound = []
        for number, fields in zip(numbers, rows, strict=True):
            if all(map(_is_text, fields)):
                sound.append((number, fields))
                continue
            column, value = next((name, v) for name, v in zip(header, fields, strict=True) if not _is_text(v))
            what = f"{shown(value.encode(layout.encoding, 'surrogateescape'))} is not {layout.encoding}"
            broken.add(f"{path.name}, line {number}, column {column!r}: {what}; --encoding names another")
        return _frame([f for _, f in sound], [n for n, _ in sound], header, path, layout, broken)
    return frame.with_columns(pl.Series(LINE, numbers, dtype=pl.Int64))


def _is_text(value: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in value)
