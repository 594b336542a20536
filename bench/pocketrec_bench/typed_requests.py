"""Requests of history and text at once: half a title of what test users took next, typed behind their history."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec import Recommender
from pocketrec.rankings import ndcg
from pocketrec.text import clean_text
from pocketrec_export.int8.gate import first_half
from pocketrec_export.model import Model
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.evaluate.splits import make_split

_MOST = 2000
"""Cases that are asked."""
_K = 10


@dataclass(frozen=True, slots=True)
class TypedRequests:
    """Some cases of a test split."""

    ids: list[str]
    """Of the data set's rows."""
    histories: list[NDArray[np.int32]]
    queries: list[str]
    targets: list[NDArray[np.int32]]

    @classmethod
    def of(cls, data: Path, split: str) -> "TypedRequests":
        """Of a prepared data set, drawn always alike."""
        dataset = Dataset.load(data)
        test = make_split(dataset, split).test.sample(_MOST, seed=0)
        halves = [first_half(dataset.items[int(rows[0])].title) for rows in test.targets]
        kept = test.chosen(np.array([place for place, half in enumerate(halves) if clean_text(half)], np.int64))
        queries = [half for half in halves if clean_text(half)]
        return cls([item.id for item in dataset.items], kept.histories, queries, kept.targets)

    def model(self, model: Model) -> float:
        """NDCG@10 of the PyTorch model; 0 without cases."""
        return self._mean(ModelRanker(model).ask(self.histories, self.queries, _K))

    def bundle(self, bundle: Path) -> float:
        """NDCG@10 of a bundle; 0 without cases."""
        recommender, row_of = Recommender.load(bundle), {id: row for row, id in enumerate(self.ids)}
        ranked = np.full((len(self.queries), _K), -1, np.int32)
        for line, (history, query) in enumerate(zip(self.histories, self.queries, strict=True)):
            answer = recommender.rank([self.ids[row] for row in history], query=query, k=_K)
            ranked[line, : len(answer)] = [row_of[id] for id in answer]
        return self._mean(ranked)

    def _mean(self, ranked: NDArray[np.int32]) -> float:
        return float(np.mean(ndcg(ranked, self.targets))) if len(self.targets) else 0.0
