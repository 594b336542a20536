"""What may stand beside items and interactions: users, friends, queries and their answers."""

import polars as pl

from pocketrec_training.dataset import Step
from pocketrec_training.prepare.attributes import typed_attributes
from pocketrec_training.prepare.cleaning import clean_texts
from pocketrec_training.prepare.columns import ColumnMap
from pocketrec_training.prepare.fields import Field, broken_step, read_fields
from pocketrec_training.prepare.missing import fill_missing, policies_of
from pocketrec_training.prepare.options import PrepareConfig
from pocketrec_training.prepare.raw_table import LINE, RawTable
from pocketrec_training.prepare.steps import changed, dropped

_SPLITS = ("train", "test")

Cleaned = tuple[pl.DataFrame, list[Step]]


def clean_users(
    raw: RawTable, columns: ColumnMap, options: PrepareConfig
) -> tuple[pl.DataFrame, list[Step], tuple[str, ...]]:
    """Users with their attributes, the first row of each; and the columns that can't be attributes, such as lists."""
    source = columns.source
    attributes = {name: column for name, column in source.items() if name != "user_id"}
    attributes |= {name: name for name in columns.unused if name not in ("user_id", *attributes)}
    identifier = Field.identifier("\x00id", source["user_id"], raw)
    rows = read_fields(raw, [identifier], sorted(set(attributes.values())))
    steps = [broken_step("users", raw)]
    facts, nested = typed_attributes(rows, attributes, raw.typed)
    rows = rows.select(LINE, pl.col("\x00id").alias("user_id"), *facts)
    unique = rows.unique("user_id", keep="first", maintain_order=True)
    steps.append(dropped("same user again", "users", raw, rows, unique))
    names = {name: source.get(name, name) for name in unique.columns[1:]}
    rows, filled = fill_missing(unique, "users", policies_of("users", names, options.missing), raw)
    return rows.drop(LINE), steps + filled, nested


def clean_friends(raw: RawTable, columns: ColumnMap, users: pl.Series) -> Cleaned:
    """Pairs of users who both have interactions."""
    names = ("user_id", "friend_id")
    rows = read_fields(raw, [Field.identifier(name, columns.source[name], raw) for name in names])
    steps = [broken_step("friends", raw)]
    unique = rows.unique(list(names), keep="first", maintain_order=True)
    steps.append(dropped("exact duplicates", "friends", raw, rows, unique))
    known = unique.filter(pl.all_horizontal(pl.col(name).is_in(users.implode()) for name in names))
    steps.append(dropped("unknown users", "friends", raw, unique, known))
    return known.select(names), steps


def clean_queries(raw: RawTable, columns: ColumnMap) -> Cleaned:
    """Queries with clean texts; `split` is train or test in any case of letters, null where the source says neither."""
    source = columns.source
    rows = read_fields(raw, [Field.identifier(name, source[name], raw, name != "split") for name in source])
    steps = [broken_step("queries", raw)]
    unique = rows.unique("query_id", keep="first", maintain_order=True)
    steps.append(dropped("same query again", "queries", raw, rows, unique))
    if "split" not in source:
        unique = unique.with_columns(pl.lit(None, pl.String).alias("split"))
    split = pl.col("split").str.to_lowercase()
    known = unique.with_columns(pl.when(split.is_in(_SPLITS)).then(split).alias("split"))
    lost = known["split"].is_null() & unique["split"].is_not_null()
    if lost.any():
        steps.append(changed("split neither train nor test: none", "queries", raw, unique, lost))
    return known.select("query_id", clean_texts(known["text"]), "split"), steps


def clean_qrels(raw: RawTable, columns: ColumnMap, queries: pl.Series, catalogue: pl.Series) -> Cleaned:
    """Judgements of items for queries; the grade is 1 where the source has none, and 0 means irrelevant."""
    source = columns.source
    fields = [Field.identifier(name, source[name], raw) for name in ("query_id", "item_id")]
    if "grade" in source:
        fields.append(Field.number("grade", source["grade"], raw))
    rows = read_fields(raw, fields)
    if "grade" not in source:
        rows = rows.with_columns(pl.lit(None, pl.Float32).alias("grade"))
    rows = rows.with_columns(pl.col("grade").fill_null(1.0))
    steps = [broken_step("qrels", raw)]
    unique = rows.unique(["query_id", "item_id"], keep="last", maintain_order=True)
    steps.append(dropped("same query and item again", "qrels", raw, rows, unique))
    for name, ids in (("query", queries), ("item", catalogue)):
        known = unique.filter(pl.col(f"{name}_id").is_in(ids.implode()))
        steps.append(dropped(f"unknown {name}", "qrels", raw, unique, known))
        unique = known
    return unique.select("query_id", "item_id", "grade"), steps
