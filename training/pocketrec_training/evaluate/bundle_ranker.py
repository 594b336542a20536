"""A bundle under test, asked through the runtime: the figures that users get."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec import Recommender
from pocketrec.progress import progress
from pocketrec_training.evaluate.ranker import Histories, Mask

_BATCH = 256


@dataclass(frozen=True, slots=True)
class BundleRanker:
    """Ranks with `Recommender.recommend_many`, and searches with `rank`, as a program would."""

    recommender: Recommender
    ids: Sequence[str]
    """Item id of each row of the data set."""
    row_of: dict[str, int]

    @classmethod
    def load(cls, folder: Path, ids: Sequence[str]) -> "BundleRanker":
        """Load a bundle without an overlay.

        Args:
            folder: The bundle.
            ids: Item id of each row of the data set.
        """
        return cls(Recommender.load(folder), ids, {name: row for row, name in enumerate(ids)})

    def rank(
        self, histories: Histories, k: int, allow_seen: bool = False, among: Mask | None = None
    ) -> NDArray[np.int32]:
        """Rows of the k best items for each history, as `Ranker.rank` says."""
        only = None if among is None else [self.ids[row] for row in np.flatnonzero(among).tolist()]
        ranked = np.full((len(histories), k), -1, dtype=np.int32)
        with progress("Asking the bundle", total=len(histories)) as shown:
            for start in range(0, len(histories), _BATCH):
                asked = [[self.ids[row] for row in rows] for rows in histories[start : start + _BATCH]]
                answers = self.recommender.recommend_many(asked, k=k, among=only, allow_seen=allow_seen)
                for line, answer in enumerate(answers, start):
                    ranked[line, : len(answer)] = [self.row_of[one.id] for one in answer]
                shown.advance(len(asked))
        return ranked

    def search(self, queries: Sequence[str], k: int) -> NDArray[np.int32]:
        """Rows of the k best items for each query, as `Searcher.search` says."""
        ranked = np.full((len(queries), k), -1, dtype=np.int32)
        with progress("Asking the bundle", total=len(queries)) as shown:
            for line, query in enumerate(queries):
                answer = self.recommender.rank(query=query, k=k)
                ranked[line, : len(answer)] = [self.row_of[name] for name in answer]
                shown.advance()
        return ranked
