"""Which column of a source is which: as the person says, or guessed from the names that the field uses."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pocketrec.errors import ConfigError, DataError
from pocketrec_training.prepare.source import TABLES


def _names(text: str) -> list[str]:
    return text.split()


_USER = _names(
    """user_id user uid customer_id customer visitor_id reviewer_id member_id account_id client_id buyer_id
    person_id session_id session username author"""
)
_ITEM = _names(
    """item_id item iid product_id product parent_asin asin movie_id movie book_id track_id song_id artist_id
    stock_code sku article_id news_id video_id game_id content_id document_id doc_id listing_id recipe_id
    course_id isbn"""
)
_TITLE = _names(
    """title name item_title item_name product_title product_name movie_title book_title artist_name
    track_name headline prod_name"""
)
_TEXT = _names(
    """text description desc item_description product_description summary abstract plot overview body
    content details detail_desc"""
)
_CATEGORIES = _names(
    """categories category genres genre tags topics labels class department main_category product_type
    product_type_name"""
)
_TIME = _names(
    """timestamp time unix_time unix_review_time ts datetime date event_time created_at invoice_date
    order_date purchase_date review_time t_dat rated_at"""
)
_WEIGHT = _names("weight rating score stars overall quantity count play_count plays listens")

SYNONYMS: dict[str, dict[str, list[str]]] = {
    "items": {"item_id": [*_ITEM, "id"], "title": _TITLE, "text": _TEXT, "categories": _CATEGORIES},
    "interactions": {"user_id": _USER, "item_id": _ITEM, "timestamp": _TIME, "weight": _WEIGHT},
    "users": {"user_id": [*_USER, "id"]},
    "friends": {
        "user_id": [*_USER, "source_id"],
        "friend_id": ["friend_id", "friend", "target_id", "followee_id"],
    },
    "queries": {
        "query_id": ["query_id", "qid", "id"],
        "text": ["text", "query", "title"],
        "split": ["split", "subset"],
    },
    "qrels": {
        "query_id": ["query_id", "qid"],
        "item_id": [*_ITEM, "corpus_id"],
        "grade": ["grade", "relevance", "score", "label", "judgement"],
    },
}
"""Names by which a column of the data set goes in sources; the first that is there wins."""

REQUIRED = {
    "items": ("item_id",),
    "interactions": ("user_id", "item_id"),
    "users": ("user_id",),
    "friends": ("user_id", "friend_id"),
    "queries": ("query_id", "text"),
    "qrels": ("query_id", "item_id"),
}
_OPEN = ("items", "users", "interactions")
"""Tables that take further columns: all there are as attributes, of interactions those that are named."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Source column by column of the data set, for one table."""

    source: dict[str, str]
    unused: tuple[str, ...]
    """Source columns without a meaning: attributes of items and users, ignored elsewhere."""


def check_chosen(chosen: Mapping[str, str]) -> None:
    """Check the left sides of `TABLE.COLUMN=SOURCE`.

    Raises:
        ConfigError: There is no such table or column.
    """
    for key in chosen:
        table, _, column = key.partition(".")
        if table not in TABLES or not column:
            raise ConfigError(f"{key!r} is not TABLE.COLUMN with a table of {', '.join(TABLES)}")
        if table not in _OPEN and column not in SYNONYMS[table]:
            raise ConfigError(f"{key!r}: {table} has the columns {', '.join(SYNONYMS[table])}")


def map_columns(table: str, file: str, available: Iterable[str], chosen: Mapping[str, str]) -> ColumnMap:
    """Find the columns of a table.

    Args:
        table: Name of `SYNONYMS`.
        file: For messages.
        available: Columns of the source.
        chosen: What the person said, `interactions.user_id` -> `CustomerID`.

    Raises:
        ConfigError: A chosen column isn't there.
        DataError: A column that must be there can't be guessed.

    Example:
        >>> map_columns("interactions", "log.csv", ["CustomerID", "StockCode"], {}).source
        {'user_id': 'CustomerID', 'item_id': 'StockCode'}
    """
    names = list(available)
    here = {key.partition(".")[2]: name for key, name in chosen.items() if key.startswith(f"{table}.")}
    for column, name in here.items():
        if name not in names:
            raise ConfigError(f"{table}.{column}={name}: {file} has no column {name!r}, but {', '.join(names)}")
    source = {}
    taken = set(here.values())
    plain = {_plain(name): name for name in reversed(names) if name not in taken}
    for column, synonyms in SYNONYMS[table].items():
        found = here.get(column) or next((plain[s] for s in map(_plain, synonyms) if s in plain), None)
        if found is not None:
            source[column] = found
            plain.pop(_plain(found), None)
            taken.add(found)
        elif column in REQUIRED[table]:
            raise DataError(
                f"{file}: can't tell which column is {table}.{column} among {', '.join(names)}; "
                f"say --column {table}.{column}=NAME"
            )
    if table == "items" and "title" not in source and "text" in source and "text" not in here:
        source["title"] = source.pop("text")
    source |= here
    return ColumnMap(source, tuple(name for name in names if name and name not in taken))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
