"""Calls that a user would write: mypy --strict reads this file as a user's program, nothing runs it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec import BundleError, Item, OverlayError, Reason, Recommendation, Recommender


def every_call() -> tuple[object, ...]:
    """Every public call, with every kind of argument."""
    try:
        recommender = Recommender.load("bundle/", overlay=Path("state/"), threads=2)
    except (BundleError, OverlayError) as error:
        raise SystemExit(str(error)) from None
    history = ["85123A", "71053"]
    answer: list[Recommendation] = recommender.recommend(history, k=10)
    recommender.recommend(query="gift for a tea lover", context="christmas")
    recommender.recommend(
        history=(id for id in history),
        where={"categories": "kitchen", "price": {"min": 5, "max": 9.5}, "colour": ["red", "blue"], "sale": True},
        exclude={"22423"},
        allow_seen=True,
        diversity=0.3,
        explain=True,
    )
    best: Recommendation = answer[0]
    shown: tuple[str, float, Item, tuple[Reason, ...]] = (best.id, best.score, best.item, best.reasons)
    many: list[list[Recommendation]] = recommender.recommend_many([history, ()], k=5, where={"sale": False})
    ids: list[str] = recommender.rank(history, query="tea", k=5)
    near: list[Recommendation] = recommender.similar("85123A", k=5, where={"categories": ["kitchen", "garden"]})
    scores: list[float] = recommender.score(history, ids, query="tea")
    vectors: NDArray[np.float32] = recommender.encode(["a text"])
    recommender.upsert([Item(id="new", title="Blue teapot", categories=("kitchen",), attributes={"price": 12.5})])
    recommender.remove(["71053"])
    item: Item | None = recommender.item("new")
    session = recommender.session(history)
    session.observe("new")
    again: list[Recommendation] = session.recommend(k=3, explain=True)
    observed: tuple[str, ...] = session.history
    size, name = len(recommender), recommender.manifest.name
    recommender.close()
    return shown, many, near, scores, vectors, item, again, observed, size, name
