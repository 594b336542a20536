"""Columns with a form of their own, such as ids and times: typed, and broken rows found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from pocketrec_training.dataset import Step
from pocketrec_training.prepare.broken import EXAMPLES, shown
from pocketrec_training.prepare.numbers import TimeForm, number, present
from pocketrec_training.prepare.raw_table import LINE, RawTable, text_of


@dataclass(frozen=True, slots=True)
class Field:
    """How one column is read."""

    name: str
    """In the data set."""
    source: str
    """In the raw table."""
    text: pl.Expr
    """The source's value as text, null where there is none."""
    value: Callable[[pl.Expr], pl.Expr]
    """From that text to the value; null where the text can't be read."""
    fault: str
    """What to say of such a text: "is not a number"."""
    required: bool
    """Whether a row without a value is broken."""

    @classmethod
    def identifier(cls, name: str, source: str, raw: RawTable, required: bool = True) -> "Field":
        """An id: any text, white space around it left out."""
        return cls(name, source, text_of(source, raw.columns[source]), lambda text: text, "", required)

    @classmethod
    def number(cls, name: str, source: str, raw: RawTable) -> "Field":
        """A finite number, or nothing."""
        text = present(source, raw.columns[source])
        return cls(name, source, text, lambda text: number(text, pl.Float32()), "is not a number", False)

    @classmethod
    def time(cls, name: str, source: str, raw: RawTable, form: TimeForm) -> "Field":
        """A moment in seconds since 1970, or nothing."""
        fault = f"is not a time (read as {form.name}; --time-format names another form)"
        return cls(name, source, present(source, raw.columns[source]), form.seconds, fault, False)


def read_fields(raw: RawTable, fields: Sequence[Field], others: Sequence[str] = ()) -> pl.DataFrame:
    """Read fields of all sound rows, and `others` as the source has them; broken rows join the table's tally.

    Raises:
        DataError: A row is broken and broken rows were not to be skipped.
    """
    problem = pl.lit(0, pl.UInt8)
    for code, field in reversed(list(enumerate(fields, start=1))):
        text = pl.col(field.name)
        wrong = text.is_not_null() & field.value(text).is_null()
        problem = pl.when(wrong | text.is_null() if field.required else wrong).then(code).otherwise(problem)
    texts = raw.frame.select(LINE, *others, **{field.name: field.text for field in fields})
    rows = texts.select(
        LINE,
        *others,
        problem.alias("problem"),
        **{field.name: field.value(pl.col(field.name)) for field in fields},
    ).collect(engine="streaming")
    bad = rows.filter(pl.col("problem") > 0).sort(LINE).select(LINE, "problem")
    first = texts.filter(pl.col(LINE).is_in(bad[LINE].head(EXAMPLES).implode())).sort(LINE).collect()
    for row, code in zip(first.iter_rows(named=True), bad["problem"], strict=False):
        field = fields[code - 1]
        value = row[field.name]
        what = "is empty" if value is None else f"holds {shown(value)}, which {field.fault}"
        raw.broken.add(f"{raw.place(row[LINE])}, column {field.source!r} {what}")
    raw.broken.count += max(len(bad) - EXAMPLES, 0)
    return rows.filter(pl.col("problem") == 0).drop("problem").sort(LINE)


def broken_step(table: str, raw: RawTable) -> Step:
    """What reading left out."""
    return Step(
        name="broken rows",
        table=table,
        rows_in=raw.rows,
        dropped=raw.broken.count,
        examples=tuple(raw.broken.examples),
    )
