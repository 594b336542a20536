"""Amazon Reviews 2023: reviews and products as JSON Lines."""

from pathlib import Path

import msgspec
import polars as pl

from pocketrec.errors import DataError
from pocketrec_training.prepare.files import file_format, open_source
from pocketrec_training.prepare.raw_table import LINE
from pocketrec_training.prepare.source import Source, TableFile

_META = "meta_"


def amazon_source(folder: Path, location: str) -> Source | None:
    """The source of a folder with one CATEGORY.jsonl and its meta_CATEGORY.jsonl; nothing if it isn't one.

    Raises:
        DataError: The folder holds several categories, or products without their reviews.
    """
    metas = sorted(path for path in folder.glob(f"{_META}*") if file_format(path) == ".jsonl")
    if not metas:
        return None
    if len(metas) > 1:
        raise DataError(f"{location} holds several categories; name one: REVIEWS.jsonl --items {metas[0].name}")
    stem = metas[0].name.removeprefix(_META).split(".")[0]
    reviews = sorted(path for path in folder.glob(f"{stem}.jsonl*"))
    if len(reviews) != 1:
        raise DataError(f"{location} needs one {stem}.jsonl or {stem}.jsonl.gz beside {metas[0].name}")
    tables = {
        "items": TableFile(metas[0], shape=products),
        "interactions": TableFile(reviews[0], shape=events),
    }
    return Source(stem, location, "Amazon Reviews 2023", tables, columns_known=True)


def is_amazon(path: Path) -> bool:
    """Whether a file is of this form: its first object has a `parent_asin`."""
    if file_format(path) != ".jsonl":
        return False
    with open_source(path) as file:
        first = file.stream.readline()
    try:
        return "parent_asin" in msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False


def events(reviews: pl.LazyFrame) -> pl.LazyFrame:
    """Who rated what when. Title and text are the review's, not the product's, and stay out."""
    return reviews.select(LINE, pl.col("^user_id|parent_asin|timestamp|rating$"))


def products(metas: pl.LazyFrame) -> pl.LazyFrame:
    """Products: features and description are one text, the main category the first of the categories."""
    schema = metas.collect_schema()
    names = [name for name in schema.names() if name in ("title", "store", "average_rating", "rating_number")]
    columns = [pl.col(LINE), pl.col("parent_asin"), *names]
    texts = [_texts(name, schema[name]) for name in ("features", "description") if name in schema]
    labels = [_texts(name, schema[name]) for name in ("main_category", "categories") if name in schema]
    if texts:
        columns.append(pl.concat_list(texts).list.drop_nulls().list.join(" ").alias("text"))
    if labels:
        columns.append(pl.concat_list(labels).list.drop_nulls().alias("categories"))
    if "price" in schema:
        # Prices come as numbers, as text, and as "from 12.99".
        price = pl.col("price").cast(pl.String).str.replace_all(",", "").str.extract(r"(\d+(?:\.\d+)?)")
        columns.append(price.cast(pl.Float64).alias("price"))
    return metas.select(columns)


def _texts(name: str, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.List):
        return pl.col(name).cast(pl.List(pl.String)).fill_null([])
    return pl.concat_list(pl.col(name).cast(pl.String))
