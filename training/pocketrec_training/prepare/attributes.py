"""Facts about items and users besides text: numbers, truth values and words to filter by."""

import re
from collections.abc import Mapping

import polars as pl

from pocketrec_training.prepare.numbers import number, present

_WHOLE = r"^-?(?:0|[1-9][0-9]{0,17})$"
_COMMA = r"^-?(?:[0-9]+|[0-9]{1,3}(?:[.][0-9]{3})+),[0-9]{2}$"
"""`1.299,00`; with other than two digits after it a comma might also stand between thousands."""
_PRICE = r"(?i)price|cost|preis|prix|precio|preço|prezzo|prijs|cena"
"""Names of columns in which it can't stand between two things, as it does in sizes `36,38`."""


def typed_attributes(
    rows: pl.DataFrame, attributes: Mapping[str, str], typed: bool
) -> tuple[list[pl.Series], tuple[str, ...]]:
    """Columns of attributes with their types.

    Args:
        rows: The table, with columns under their names in the source.
        attributes: Source column by name of the attribute.
        typed: Whether the source tells text from numbers; otherwise a column whose values are all numbers, or
            all true or false, becomes one, prices with a decimal comma too. "007" stays text.

    Returns:
        The columns, and the names of those in the source that hold lists or the like, which no attribute can.
    """
    found, unfit = [], []
    for name, source in attributes.items():
        column = rows[source]
        if column.dtype.is_nested() or column.dtype in (pl.Binary(), pl.Object()):
            unfit.append(source)
        elif column.null_count() < len(column):
            found.append((_typed(column) if typed else _guessed(column)).alias(name))
    return found, tuple(unfit)


def _typed(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Boolean():
        return column
    if column.dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if column.dtype.is_numeric():
        numbers = column.cast(pl.Float64)
        return numbers.to_frame().select(pl.when(pl.col(column.name).is_finite()).then(pl.col(column.name))).to_series()
    return _words(column.cast(pl.String))


def _guessed(column: pl.Series) -> pl.Series:
    texts = column.to_frame().select(present(column.name, column.dtype)).to_series()
    values = texts.drop_nulls()
    if len(values) and values.str.contains(_WHOLE).all():
        return texts.cast(pl.Int64)
    if len(values) and values.str.to_lowercase().is_in(["true", "false"]).all():
        return texts.str.to_lowercase() == "true"
    if len(values) and re.search(_PRICE, column.name) and values.str.contains(_COMMA).all():
        texts = texts.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    numbers = texts.to_frame().select(number(pl.col(column.name))).to_series()
    decimal = not values.str.contains(r"^-?0[0-9]").any()
    if len(values) and decimal and numbers.null_count() == texts.null_count():
        return numbers
    return _words(column.cast(pl.String))


def _words(column: pl.Series) -> pl.Series:
    return column.str.strip_chars().replace("", None)
