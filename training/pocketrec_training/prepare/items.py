"""The catalogue: read, its texts cleaned, its attributes typed."""

import ast
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import polars as pl

from pocketrec_training.dataset import ITEM_COLUMNS, Step
from pocketrec_training.prepare.attributes import typed_attributes
from pocketrec_training.prepare.cleaning import clean_texts, without_html
from pocketrec_training.prepare.columns import ColumnMap
from pocketrec_training.prepare.fields import Field, broken_step, read_fields
from pocketrec_training.prepare.json_lines import flat
from pocketrec_training.prepare.missing import fill_missing, policies_of
from pocketrec_training.prepare.options import PrepareConfig
from pocketrec_training.prepare.raw_table import LINE, RawTable, text_of
from pocketrec_training.prepare.steps import changed, dropped

_TABLE = "items"
_SEPARATORS = ("|", ";", ">", ",")
_WRITTEN_LIST = r"^\s*\[.*\]\s*$"
"""`['tea', "kitchen"]`, as tables written from Python or JSON have it."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A cleaned table of items."""

    rows: pl.DataFrame
    """`ITEM_COLUMNS`, then attributes, in the order of the source."""
    steps: list[Step]
    notes: dict[str, str]
    """What was recognised, by column: `categories` -> "split at '|'"."""
    unused: tuple[str, ...]
    """Source columns that can't be attributes, such as lists."""


def clean_items(raw: RawTable, columns: ColumnMap, options: PrepareConfig) -> Catalogue:
    """Read and clean items.

    In order: broken rows, duplicates, white space, HTML, missing values, empty titles.

    Raises:
        DataError: There are broken rows and they were not to be skipped.
        ConfigError: A policy for missing values doesn't fit.
    """
    source, notes = dict(columns.source), dict[str, str]()
    attributes = {name: column for name, column in source.items() if name not in ITEM_COLUMNS}
    attributes |= {name: name for name in columns.unused if name not in (*ITEM_COLUMNS, *attributes)}
    sources = [source[name] for name in ITEM_COLUMNS[1:] if name in source] + list(attributes.values())
    rows = read_fields(raw, [Field.identifier("\x00id", source["item_id"], raw)], sorted(set(sources)))
    steps = [broken_step(_TABLE, raw)]
    facts, nested = typed_attributes(rows, attributes, raw.typed)
    rows = rows.select(
        LINE,
        pl.col("\x00id").alias("item_id"),
        *(_text(name, source, raw) for name in ("title", "text")),
        _categories(rows, source, raw, notes).alias("categories"),
        *facts,
    )
    for name, key in (("exact duplicates", rows.columns[1:]), ("same item again", ["item_id"])):
        after = rows.unique(key, keep="first", maintain_order=True)
        steps.append(dropped(name, _TABLE, raw, rows, after))
        rows = after
    for name, clean in (("Unicode NFC and white space", clean_texts), ("HTML out of text", _plain)):
        after = _cleaned(rows, clean)
        steps.append(changed(name, _TABLE, raw, rows, _differs(rows, after)))
        rows = after
    policies = policies_of(_TABLE, {name: source.get(name, name) for name in rows.columns[1:]}, options.missing)
    rows, filled = fill_missing(rows, _TABLE, policies, raw)
    untitled = rows["title"].is_null()
    steps += [*filled, changed("empty titles: the id instead", _TABLE, raw, rows, untitled)]
    rows = rows.with_columns(pl.col("title").fill_null(pl.col("item_id")), pl.col("text").fill_null(""))
    rows = rows.with_columns(pl.col("categories").fill_null(pl.lit(pl.Series([[]], dtype=pl.List(pl.String)))))
    return Catalogue(rows.drop(LINE), steps, notes, nested)


def items_of_interactions(raw: RawTable, interactions: ColumnMap, items: ColumnMap) -> RawTable:
    """Items of a source without a table of items: each item's first values in its interactions."""
    key = interactions.source["item_id"]
    columns = [name for name in dict.fromkeys(items.source.values()) if name != key]
    item = text_of(key, raw.columns[key]).alias(key)
    frame = (
        raw.frame.select(LINE, item, *columns)
        .filter(pl.col(key).is_not_null())
        .sort(LINE)
        .group_by(key)
        .agg(pl.col(LINE).first(), *(_first(name, raw) for name in columns))
        .sort(LINE)
        .collect(engine="streaming")
    )
    kinds = {name: kind for name, kind in frame.collect_schema().items() if name != LINE}
    broken = type(raw.broken)("skip")
    return RawTable(raw.path, raw.unit, frame.lazy(), kinds, raw.typed, len(frame), broken)


def _first(name: str, raw: RawTable) -> pl.Expr:
    return pl.col(name).filter(text_of(name, raw.columns[name]).is_not_null()).first()


def _text(name: str, source: dict[str, str], raw: RawTable) -> pl.Expr:
    if name not in source:
        return pl.lit(None, pl.String).alias(name)
    column = source[name]
    text = pl.col(column)
    if isinstance(raw.columns[column], pl.List):
        text = text.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    return text.cast(pl.String).alias(name)


def _categories(rows: pl.DataFrame, source: dict[str, str], raw: RawTable, notes: dict[str, str]) -> pl.Series:
    if "categories" not in source:
        return pl.Series([None], dtype=pl.List(pl.String)).new_from_index(0, len(rows))
    values = rows[source["categories"]]
    if isinstance(values.dtype, pl.List):
        return values.cast(pl.List(pl.String))
    values = values.cast(pl.String)
    written = values.filter(values.str.strip_chars() != "")
    if len(written) and written.str.contains(_WRITTEN_LIST).all():
        notes["categories"] = "written as lists"
        return pl.Series([written_list(value or "") for value in values], dtype=pl.List(pl.String))
    if values.str.contains("&", literal=True).any():
        values = without_html(values)  # an entity ends in what may be a separator
    separator = next((mark for mark in _SEPARATORS if values.str.contains(mark, literal=True).any()), None)
    if separator is None:
        return values.str.split("\x00")
    notes["categories"] = f"split at {separator!r}"
    return values.str.split(separator)


def written_list(text: str) -> list[str]:
    """The labels of a list as JSON or Python writes it, those of lists in it too; else what stands between commas.

    Example:
        >>> written_list("[['Home, Kitchen', 'Tea'], ['Gifts']]"), written_list("[tea, gifts]")
        (['Home, Kitchen', 'Tea', 'Gifts'], ['tea', 'gifts'])
    """
    for read in (msgspec.json.decode, _of_python):
        try:
            return list(flat(read(text.strip())))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # msgspec's are ValueErrors
            continue
    return [part.strip(" \"'") for part in text.strip("[] ").split(",")]


def _of_python(text: str) -> object:
    with warnings.catch_warnings(action="ignore"):  # a backslash that means nothing
        return ast.literal_eval(text)


def _plain(texts: pl.Series) -> pl.Series:
    return clean_texts(without_html(texts))


def _cleaned(rows: pl.DataFrame, clean: Callable[[pl.Series], pl.Series]) -> pl.DataFrame:
    texts = [clean(rows[name]).replace("", None) for name in ("title", "text")]
    labels = rows.select(LINE, "categories").explode("categories").drop_nulls()
    labels = labels.with_columns(clean(labels["categories"])).filter(pl.col("categories") != "")
    lists = labels.unique(maintain_order=True).group_by(LINE, maintain_order=True).agg("categories")
    return (
        rows.with_columns(*texts)
        .drop("categories")
        .join(lists, on=LINE, how="left", maintain_order="left")
        .select(rows.columns)
    )


def _differs(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    return before.select(
        pl.any_horizontal(
            *(pl.col(name).fill_null("") != after[name].fill_null("") for name in ("title", "text")),
            pl.col("categories").list.join("\x00").fill_null("") != after["categories"].list.join("\x00").fill_null(""),
        ).alias("differs")
    )["differs"]
