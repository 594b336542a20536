"""A prepared data set: the one form in which everything after `prepare` reads items and interactions."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.errors import DataError
from pocketrec.items import Attribute, Item
from pocketrec.text import user_words

FORMAT = 1
CONTENTS = (
    "dataset.json",
    "items.parquet",
    "interactions.parquet",
    "users.parquet",
    "friends.parquet",
    "queries.parquet",
    "qrels.parquet",
)
"""What stands in a data set's folder."""
ITEM_COLUMNS = ("item_id", "title", "text", "categories")
"""Columns of items.parquet that have a meaning of their own; all others are attributes."""
INTERACTION_COLUMNS = ("user_id", "item_id", "timestamp", "weight")
"""Those of interactions.parquet; all others are texts that say more of the moment."""


class Step(Config, frozen=True, kw_only=True):
    """One thing that cleaning did."""

    name: str
    """What was done, in words: "rows with an unknown item"."""
    table: str
    rows_in: int
    dropped: int = 0
    changed: int = 0
    examples: tuple[str, ...] = ()
    """The first few places: file, line, column, value."""


class Ties(Config, frozen=True, kw_only=True):
    """How much of the order of interactions is known."""

    timestamps: bool
    """Whether interactions carry times; without them the order of rows is the order in time."""
    users: int
    """Users with at least two interactions."""
    tied_last_two: int
    """Those whose last two interactions have the same time, so that "the last" is chance."""

    @property
    def unordered(self) -> bool:
        """Whether the last interaction of most users is arbitrary: leave-last-out then measures a random item."""
        return self.timestamps and self.tied_last_two > self.users / 2


class DatasetCard(Config, frozen=True, kw_only=True):
    """dataset.json."""

    format: int
    name: str
    source: str
    """What `prepare` read, as the person named it, and the reader that took it."""
    licence: str
    users: int
    items: int
    interactions: int
    columns: dict[str, str]
    """Which source column became which: `interactions.user_id` <- `CustomerID`."""
    steps: tuple[Step, ...]
    ties: Ties
    files: dict[str, str]
    """SHA-256 by file name."""
    unused: tuple[str, ...] = ()
    """Columns and files of the source that play no part."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Free-text searches with the items that answer them."""

    ids: list[str]
    texts: list[str]
    splits: list[str]
    """`train` or `test` of each query; empty where the source has no split."""
    answers: list[NDArray[np.int32]]
    """Rows of the items judged relevant, for each query."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Items and interactions in memory.

    Interactions are sorted by user, and by time within a user; those of user `u` are
    `rows[offsets[u]:offsets[u + 1]]`, oldest first. "Row" is an item's place in `items`, everywhere.
    """

    card: DatasetCard
    items: list[Item]
    user_ids: list[str]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int32]
    times: NDArray[np.int64]
    """Seconds since 1970; all zero where the source has no times."""
    weights: NDArray[np.float32]
    """Rating, count or quantity; 1 where the source has none."""
    queries: Queries | None
    columns: dict[str, list[str]] = field(default_factory=dict)
    """Further columns of interactions, by name: a text for each interaction, empty where there is none."""
    user_texts: list[str] = field(default_factory=list)
    """What is known of each user, in words; empty where the source has no users beside their interactions."""

    @classmethod
    def load(cls, folder: Path) -> "Dataset":
        """Read a folder that `prepare` wrote.

        Raises:
            DataError: The folder is missing, incomplete or of a newer format.
        """
        try:
            card = msgspec.json.decode((folder / "dataset.json").read_bytes(), type=DatasetCard)
        except OSError as error:
            raise DataError(
                f"{folder} is not a data set: can't read dataset.json ({error.strerror}); "
                "make one with: pocketrec prepare SOURCE --out DATASET"
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{folder}/dataset.json: {error}") from None
        if card.format > FORMAT:
            raise DataError(f"{folder} has format {card.format}; this version reads up to {FORMAT}")
        try:
            items = pl.read_parquet(folder / "items.parquet")
            events = pl.read_parquet(folder / "interactions.parquet")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{folder}: {error}") from None
        ids = items["item_id"].to_list()
        row_of = pl.DataFrame({"item_id": ids, "row": np.arange(len(ids), dtype=np.int32)})
        rows = events.select("item_id").join(row_of, on="item_id", how="left", maintain_order="left")["row"]
        if rows.null_count():
            raise DataError(f"{folder}: interactions.parquet names items that items.parquet lacks; prepare it again")
        users = events["user_id"].rle_id().to_numpy() if len(events) else np.zeros(0, np.uint32)
        counts = np.bincount(users).astype(np.int64)
        user_ids = events["user_id"].unique(maintain_order=True)
        further = [name for name in events.columns if name not in INTERACTION_COLUMNS]
        return cls(
            card=card,
            items=_items(items),
            user_ids=user_ids.to_list(),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            rows=rows.to_numpy().astype(np.int32),
            times=events["timestamp"].fill_null(0).to_numpy().astype(np.int64),
            weights=events["weight"].to_numpy().astype(np.float32),
            queries=_queries(folder, row_of),
            columns={name: events[name].fill_null("").to_list() for name in further},
            user_texts=_user_texts(folder, user_ids),
        )

    def histories(self) -> list[NDArray[np.int32]]:
        """Rows of each user's items, oldest first."""
        return np.split(self.rows, self.offsets[1:-1]) if len(self.user_ids) else []


def dataset_digest(card: DatasetCard) -> str:
    """Hex SHA-256 of the content; models and bundles record it and are evaluated on no other data set."""
    return text_digest(*(f"{name} {card.files[name]}" for name in sorted(card.files)))


def _items(table: pl.DataFrame) -> list[Item]:
    extra = [name for name in table.columns if name not in ITEM_COLUMNS]
    items = []
    for row in table.iter_rows(named=True):
        attributes: dict[str, Attribute] = {name: row[name] for name in extra if row[name] is not None}
        items.append(
            Item(
                id=row["item_id"],
                title=row["title"],
                text=row["text"] or "",
                categories=tuple(row["categories"] or ()),
                attributes=attributes,
            )
        )
    return items


def _user_texts(folder: Path, user_ids: pl.Series) -> list[str]:
    if not (folder / "users.parquet").exists():
        return []
    users = pl.read_parquet(folder / "users.parquet")
    known = user_ids.to_frame().join(users, on="user_id", how="left", maintain_order="left").drop("user_id")
    texts = []
    for row in known.iter_rows(named=True):
        facts = {name: value for name, value in row.items() if value is not None}
        texts.append(user_words(str(facts.pop("text", "")), facts))
    return texts


def _queries(folder: Path, row_of: pl.DataFrame) -> Queries | None:
    if not (folder / "queries.parquet").exists():
        return None
    queries = pl.read_parquet(folder / "queries.parquet")
    judged = (
        pl.read_parquet(folder / "qrels.parquet")
        .filter(pl.col("grade") > 0)
        .join(row_of, on="item_id", maintain_order="left")
    )
    answers = dict(judged.group_by("query_id").agg(pl.col("row")).iter_rows())
    ids = queries["query_id"].to_list()
    return Queries(
        ids=ids,
        texts=queries["text"].to_list(),
        splits=queries["split"].fill_null("").to_list(),
        answers=[np.asarray(answers.get(name, []), dtype=np.int32) for name in ids],
    )
