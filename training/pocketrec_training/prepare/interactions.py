"""Who took what, when: read, cleaned and put in order."""

from dataclasses import dataclass

import polars as pl

from pocketrec.digest import text_digest
from pocketrec_training.dataset import Step, Ties
from pocketrec_training.prepare.columns import ColumnMap
from pocketrec_training.prepare.fields import Field, broken_step, read_fields
from pocketrec_training.prepare.missing import Policy, fill_missing, policies_of
from pocketrec_training.prepare.numbers import recognise_time
from pocketrec_training.prepare.options import PrepareConfig
from pocketrec_training.prepare.order import in_order, ties
from pocketrec_training.prepare.raw_table import LINE, RawTable
from pocketrec_training.prepare.steps import changed, dropped

COLUMNS = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "weight": pl.Float32}
"""Columns of interactions.parquet; `timestamp` is in seconds since 1970, null where there is none.

Further columns follow where the person named some: texts that say more of the moment, such as the device.
"""
_TABLE = "interactions"


@dataclass(frozen=True, slots=True)
class Interactions:
    """A cleaned table."""

    rows: pl.DataFrame
    """`COLUMNS` and further ones, sorted by user and time."""
    taken: pl.Series
    """Ids of items with interactions, those of users who were left out by `users_share` too."""
    steps: list[Step]
    ties: Ties
    notes: dict[str, str]
    """What was recognised, by column: `timestamp` -> "milliseconds"."""

    @classmethod
    def none(cls) -> "Interactions":
        """Those of a source that has none."""
        rows = pl.DataFrame(schema=COLUMNS)
        return cls(rows, rows["item_id"], [], Ties(timestamps=False, users=0, tied_last_two=0), {})


def clean_interactions(raw: RawTable, columns: ColumnMap, catalogue: pl.Series, options: PrepareConfig) -> Interactions:
    """Read and clean interactions.

    In order: broken rows, missing values, duplicates, items that the catalogue lacks, minimum weight, minimum counts,
    share of users, order.

    Args:
        raw: The table as the source has it.
        columns: Which source column is which.
        catalogue: Ids of all items.
        options: What the person chose.

    Raises:
        DataError: There are broken rows and they were not to be skipped.
        ConfigError: A policy for missing values doesn't fit.
    """
    policies = policies_of(_TABLE, columns.source, options.missing)
    rows, notes = _read(raw, columns, policies, options)
    steps = [broken_step(_TABLE, raw)]
    timed, weighted = rows["timestamp"].null_count() < len(rows), rows["weight"].null_count() < len(rows)
    if timed:
        policies.setdefault("timestamp", Policy("drop"))
    if weighted:
        policies.setdefault("weight", Policy("constant", "1"))
    rows, filled = fill_missing(rows, _TABLE, policies, raw, within="user_id")
    steps += [step for step in filled if step.dropped or step.changed]
    if not weighted:
        notes["weight"] = "all empty: 1 everywhere"
        rows = rows.with_columns(pl.col("weight").fill_null(1.0))
    if not timed and "timestamp" in columns.source:
        notes["timestamp"] = "all empty: the order of rows is taken as that of time"

    def keep(name: str, after: pl.DataFrame) -> None:
        nonlocal rows
        steps.append(dropped(name, _TABLE, raw, rows, after))
        rows = after

    if options.duplicates == "drop":
        keep("exact duplicates", rows.unique(list(COLUMNS), keep="first", maintain_order=True))
        keep("same user, item and time", _last_of_same_moment(rows))
    keep("unknown items", rows.filter(pl.col("item_id").is_in(catalogue.implode())))
    if options.min_weight is not None:
        keep("minimum weight", rows.filter(pl.col("weight") >= options.min_weight))
    if options.min_user_count > 1 or options.min_item_count > 1:
        keep("minimum counts", minimum_counts(rows, options.min_user_count, options.min_item_count))
    taken = rows["item_id"].unique()
    if options.users_share < 1:
        keep("share of users", share_of_users(rows, options.users_share))
    rows, moved = in_order(rows)
    steps.append(changed("put in order of time", _TABLE, raw, rows, moved))
    return Interactions(rows.drop(LINE), taken, steps, ties(rows), notes)


def minimum_counts(rows: pl.DataFrame, user: int, item: int) -> pl.DataFrame:
    """Leave out users and items with fewer interactions until none is left: the (user, item)-core.

    Example:
        >>> log = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"]})
        >>> minimum_counts(log, user=1, item=2)["user_id"].to_list()
        ['a', 'b']
    """
    while True:
        before = len(rows)
        for column, least in (("user_id", user), ("item_id", item)):
            if least > 1:
                rows = rows.filter(pl.len().over(column) >= least)
        if len(rows) == before:
            return rows


def share_of_users(rows: pl.DataFrame, share: float) -> pl.DataFrame:
    """Keep users by the hash of their id: on every machine the same ones, and with a larger share these and more.

    Example:
        >>> log = pl.DataFrame({"user_id": ["ann", "bob", "cid", "dan"]})
        >>> share_of_users(log, 0.25)["user_id"].to_list()
        ['cid']
    """
    users = rows["user_id"].drop_nulls().unique()
    kept = [user for user in users if int(text_digest(user)[:12], 16) < share * 16**12]
    return rows.filter(pl.col("user_id").is_in(pl.Series(kept, dtype=pl.String).implode()))


def _read(
    raw: RawTable, columns: ColumnMap, policies: dict[str, Policy], options: PrepareConfig
) -> tuple[pl.DataFrame, dict[str, str]]:
    source, notes = columns.source, dict[str, str]()
    fields = [Field.identifier(name, source[name], raw, name not in policies) for name in ("user_id", "item_id")]
    if "timestamp" in source:
        name = source["timestamp"]
        form = recognise_time(raw.frame, name, raw.columns[name], options.time_format)
        notes["timestamp"] = form.name
        fields.append(Field.time("timestamp", name, raw, form))
    if "weight" in source:
        fields.append(Field.number("weight", source["weight"], raw))
    further = [name for name in source if name not in COLUMNS]
    fields += [Field.identifier(name, source[name], raw, required=False) for name in further]
    rows = read_fields(raw, fields)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in COLUMNS.items() if name not in rows.columns]
    return rows.with_columns(absent).select(LINE, *COLUMNS, *further), notes


def _last_of_same_moment(rows: pl.DataFrame) -> pl.DataFrame:
    """Of rows that differ in weight alone the last, as a correction; rows without a time are all kept."""
    key = ["user_id", "item_id", "timestamp"]
    again = pl.struct(key).is_last_distinct() | pl.col("timestamp").is_null()
    return rows.filter(again)
