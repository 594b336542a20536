"""Values that a source doesn't have: left empty, filled or dropped, by a policy for each column."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pocketrec.errors import ConfigError
from pocketrec_training.dataset import Step
from pocketrec_training.prepare.raw_table import RawTable
from pocketrec_training.prepare.source import TABLES
from pocketrec_training.prepare.steps import changed, dropped

POLICIES = ("keep", "drop", "constant", "median", "mode", "interpolate")


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to rows that lack a value in one column."""

    kind: str
    """One of `POLICIES`."""
    constant: str = ""

    @classmethod
    def parse(cls, column: str, text: str) -> "Policy":
        """Read `drop`, `keep`, `median`, `mode`, `interpolate` or `constant:VALUE`.

        Raises:
            ConfigError: It is none of these.

        Example:
            >>> Policy.parse("items.price", "constant:0")
            Policy(kind='constant', constant='0')
        """
        kind, colon, constant = text.partition(":")
        if kind not in POLICIES or bool(colon) != (kind == "constant"):
            raise ConfigError(f"missing {column}={text}: say keep, drop, constant:VALUE, median, mode or interpolate")
        return cls(kind, constant)

    def apply(self, rows: pl.DataFrame, column: str, within: str | None, label: str) -> pl.DataFrame:
        """Fill or drop.

        Args:
            rows: Any table, in its order.
            column: Where null means missing.
            within: Interpolate between rows of equal value in this column, such as those of one user.
            label: Name of the column for messages: "items.price".

        Raises:
            ConfigError: The policy doesn't fit the column's type.
        """
        values = rows[column]
        if self.kind in ("median", "interpolate") and not values.dtype.is_numeric():
            raise ConfigError(f"missing {label}={self.kind}: the column holds {_kind(values.dtype)}, not numbers")
        match self.kind:
            case "keep":
                return rows
            case "drop":
                return rows.drop_nulls(column)
            case "interpolate":
                return rows.with_columns(_interpolated(column, within, values.dtype))
            case "constant":
                filling = _constant(self.constant, values.dtype, label)
            case "median":
                filling = pl.lit(values.median()).cast(values.dtype)
            case _:
                common = values.drop_nulls().value_counts().sort(["count", column], descending=[True, False])
                filling = pl.lit(common[column].first(), values.dtype)
        return rows.with_columns(pl.when(values.is_null()).then(filling).otherwise(pl.col(column)).alias(column))


def check_policies(chosen: Mapping[str, str]) -> None:
    """Check what can be known of policies before anything is read.

    Raises:
        ConfigError: A key is not TABLE.COLUMN, or there is no such policy.
    """
    for key, text in chosen.items():
        table, _, column = key.partition(".")
        if table not in TABLES or not column:
            raise ConfigError(f"missing {key}={text}: {key!r} is not TABLE.COLUMN with a table of {', '.join(TABLES)}")
        Policy.parse(key, text)


def policies_of(table: str, columns: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, Policy]:
    """Policies of one table's columns.

    Args:
        table: Such as "items".
        columns: Source column by column of the data set.
        chosen: Policy by `TABLE.COLUMN`, where the column may go by its name in the source.

    Raises:
        ConfigError: There is no such column, or no such policy.
    """
    by_source = {source: column for column, source in columns.items()}
    found = {}
    for key, text in chosen.items():
        of_table, _, name = key.partition(".")
        if of_table != table:
            continue
        column = name if name in columns else by_source.get(name)
        if column is None:
            raise ConfigError(f"missing {key}={text}: {table} has no column {name!r}, but {', '.join(columns)}")
        found[column] = Policy.parse(key, text)
    return found


def _interpolated(column: str, within: str | None, dtype: pl.DataType) -> pl.Expr:
    filled = pl.col(column).cast(pl.Float64).interpolate().forward_fill().backward_fill()
    if dtype.is_integer():
        filled = filled.round()
    return (filled.over(within) if within else filled).cast(dtype).alias(column)


def _constant(text: str, dtype: pl.DataType, label: str) -> pl.Expr:
    if isinstance(dtype, pl.List):
        return pl.lit(pl.Series([[text]]))
    if dtype == pl.Boolean() and text.lower() in ("true", "false"):
        return pl.lit(text.lower() == "true")
    value = None if dtype == pl.Boolean() else pl.Series([text]).cast(dtype, strict=False)[0]
    if value is None:
        raise ConfigError(f"missing {label}=constant:{text}: {text!r} doesn't fit a column of {_kind(dtype)}")
    return pl.lit(value, dtype)


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "numbers"
    return {pl.String(): "text", pl.Boolean(): "true and false"}.get(dtype, "lists")


def fill_missing(
    rows: pl.DataFrame, table: str, policies: Mapping[str, Policy], raw: RawTable, within: str | None = None
) -> tuple[pl.DataFrame, list[Step]]:
    """Apply policies to a table, one counted step a column."""
    steps = []
    for column, policy in policies.items():
        after = policy.apply(rows, column, within, f"{table}.{column}")
        name = f"missing {column}: {policy.kind}"
        if len(after) < len(rows):
            steps.append(dropped(name, table, raw, rows, after))
        else:
            steps.append(changed(name, table, raw, rows, rows[column].is_null() & after[column].is_not_null()))
        rows = after
    return rows, steps
