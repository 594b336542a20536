"""Numbers and moments in text: what counts as missing, as a number, as a time."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from pocketrec_training.prepare.raw_table import LINE, text_of

_MISSING = ("", "nan", "null", "none", "na", "n/a", "\\n", "nat")
"""Spellings of "no value" in columns of numbers and times, in lower case."""
_ISO = (
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?)?"
    r"\s*(?:Z|UTC|([+-])(\d{2})(?::?(\d{2}))?)?$"
)
_UNITS = ((1e11, "seconds", 1.0), (1e14, "milliseconds", 1e3), (1e17, "microseconds", 1e6))
_EARLIEST, _LATEST = -62135596800, 253402300799
"""The first second of year 1, and the last of year 9999."""
_COMPACT = r"^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$"
"""`20240131`; in seconds since 1970 these would all be of one summer."""
_PROBE = 1000
_FLOAT = pl.Float64()


def present(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as text, null where the source says in one of the usual ways that there is no value."""
    if dtype.is_temporal() and dtype != pl.Time():
        return pl.col(name).cast(pl.Datetime("us")).dt.epoch("s").cast(pl.String)
    text = text_of(name, dtype)
    return pl.when(~text.str.to_lowercase().is_in(_MISSING)).then(text)


def number(text: pl.Expr, dtype: pl.DataType = _FLOAT) -> pl.Expr:
    """Text as a float; null where it isn't a number, or not a finite one of that size."""
    value = text.cast(pl.Float64, strict=False).cast(dtype, strict=False)
    return pl.when(value.is_finite()).then(value)


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How a column writes moments."""

    name: str
    """In words: "milliseconds"."""
    seconds: Callable[[pl.Expr], pl.Expr]
    """From text to seconds since 1970, null where it is no moment of that form."""


def recognise_time(frame: pl.LazyFrame, name: str, dtype: pl.DataType, time_format: str) -> TimeForm:
    """Tell from a column's first values how it writes moments: in the form that reads more of them.

    Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, by their size (their median
    must fall before the year 5138), or dates such as 20240131; other values are ISO 8601, or of `time_format`
    where that is given.
    """
    if dtype.is_temporal():
        return TimeForm("dates", lambda text: text.cast(pl.Int64, strict=False))
    if time_format:
        return TimeForm(f"dates as {time_format}", lambda text: _formatted(text, time_format))
    values = frame.select(LINE, value=present(name, dtype)).filter(pl.col("value").is_not_null()).head(_PROBE)
    text = pl.col("value")
    if values.select((text.str.contains(_COMPACT).all()) & (pl.len() > 0)).collect().item():
        return TimeForm("dates as %Y%m%d", lambda text: _formatted(text, "%Y%m%d"))
    probe = values.select(numbers=number(text).abs(), dates=_iso(text)).collect(engine="streaming")
    # A number that is no moment in any unit is a broken value, and has no say in the unit.
    numbers = probe["numbers"].drop_nulls().filter(probe["numbers"].drop_nulls() <= _LATEST * 1e9)
    if probe["dates"].count() > len(numbers):
        return TimeForm("ISO dates", _iso)
    middle = float(numbers.median() or 0)  # type: ignore[arg-type]
    unit, per_second = next(((unit, scale) for limit, unit, scale in _UNITS if middle < limit), ("nanoseconds", 1e9))
    return TimeForm(unit, lambda text: _possible((number(text) / per_second).floor()))


def _possible(seconds: pl.Expr) -> pl.Expr:
    return pl.when(seconds.is_between(_EARLIEST, _LATEST)).then(seconds).cast(pl.Int64)


def _formatted(text: pl.Expr, time_format: str) -> pl.Expr:
    if not any(hour in time_format for hour in ("%H", "%I", "%T", "%R", "%X", "%c")):
        return text.str.to_date(time_format, strict=False).cast(pl.Datetime("us")).dt.epoch("s")
    return text.str.to_datetime(time_format, strict=False, time_unit="us", time_zone=None).dt.epoch("s")


def _iso(text: pl.Expr) -> pl.Expr:
    parts = text.str.extract_groups(_ISO)
    day, clock, sign, hours, minutes = (parts.struct[str(group)] for group in (1, 2, 3, 4, 5))
    clock = clock.fill_null("00:00")
    clock = pl.when(clock.str.len_bytes() == 5).then(clock + ":00").otherwise(clock)
    moment = (day + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us").dt.epoch("s")
    offset = hours.cast(pl.Int64) * 3600 + minutes.fill_null("00").cast(pl.Int64) * 60
    return moment - pl.when(sign == "-").then(-offset).otherwise(offset).fill_null(0)
