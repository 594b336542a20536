"""Small data sets whose right answers are known."""

import msgspec
import numpy as np
import polars as pl

from pocketrec import Item
from pocketrec_training.dataset import Dataset, DatasetCard, Ties


def dataset_of(histories, items, times=None):
    lengths = [len(history) for history in histories]
    stamps = times if times is not None else [[0] * length for length in lengths]
    card = DatasetCard(
        format=1,
        name="made",
        source="constructed",
        licence="",
        users=len(histories),
        items=items,
        interactions=sum(lengths),
        columns={},
        steps=(),
        ties=Ties(timestamps=times is not None, users=len(histories), tied_last_two=0),
        files={"items.parquet": "a", "interactions.parquet": "b"},
    )
    return Dataset(
        card=card,
        items=[Item(id=f"i{row}", title=f"item {row}") for row in range(items)],
        user_ids=[f"u{user}" for user in range(len(histories))],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        rows=np.array([row for history in histories for row in history], dtype=np.int32),
        times=np.array([stamp for line in stamps for stamp in line], dtype=np.int64),
        weights=np.ones(sum(lengths), dtype=np.float32),
        queries=None,
    )


def rows_of(*values):
    return np.array(values, dtype=np.int32)


def two_worlds(users=40, items=20, length=6, seed=0):
    """Even users take items of the lower half, odd users of the upper half."""
    random = np.random.default_rng(seed)
    half = items // 2
    return [(random.choice(half, length, replace=False) + (user % 2) * half).astype(np.int32) for user in range(users)]


def save_dataset(dataset, folder):
    """Write the files that `Dataset.load` reads."""
    folder.mkdir(parents=True)
    users = np.repeat(dataset.user_ids, np.diff(dataset.offsets))
    pl.DataFrame(
        {
            "item_id": [item.id for item in dataset.items],
            "title": [item.title for item in dataset.items],
            "text": [item.text for item in dataset.items],
            "categories": [list(item.categories) for item in dataset.items],
        },
        schema_overrides={"categories": pl.List(pl.String)},
    ).write_parquet(folder / "items.parquet")
    pl.DataFrame(
        {
            "user_id": users,
            "item_id": [dataset.items[row].id for row in dataset.rows],
            "timestamp": dataset.times,
            "weight": dataset.weights,
        }
    ).write_parquet(folder / "interactions.parquet")
    (folder / "dataset.json").write_bytes(msgspec.json.encode(dataset.card))
