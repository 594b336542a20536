"""Steps of cleaning, counted."""

import polars as pl

from pocketrec_training.dataset import Step
from pocketrec_training.prepare.broken import EXAMPLES, shown
from pocketrec_training.prepare.raw_table import LINE, RawTable


def dropped(name: str, table: str, raw: RawTable, before: pl.DataFrame, after: pl.DataFrame) -> Step:
    """The step that led from `before` to fewer rows, with the first that left as examples."""
    lost = len(before) - len(after)
    examples: tuple[str, ...] = ()
    if lost:
        first = before.join(after.select(LINE), on=LINE, how="anti").sort(LINE).head(EXAMPLES)
        examples = tuple(_example(raw, row) for row in first.iter_rows(named=True))
    return Step(name=name, table=table, rows_in=len(before), dropped=lost, examples=examples)


def changed(name: str, table: str, raw: RawTable, rows: pl.DataFrame, where: pl.Series) -> Step:
    """A step that altered the rows marked in `where` and dropped none."""
    first = rows.filter(where).head(EXAMPLES)
    examples = tuple(_example(raw, row) for row in first.iter_rows(named=True))
    return Step(name=name, table=table, rows_in=len(rows), changed=int(where.sum()), examples=examples)


def _example(raw: RawTable, row: dict[str, object]) -> str:
    key = ", ".join(f"{name} {shown(row[name])}" for name in row if name.endswith("_id"))
    return f"{raw.place(int(str(row[LINE])))}: {key}"
