"""Rank with the PyTorch model, by the very steps of the runtime: what quantisation and export are measured against."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pocketrec.index import VectorIndex
from pocketrec_export.model import Model
from pocketrec_training.scorer_training import Cases, Retriever
from pocketrec_training.tower_ranking import user_vectors

Rows = NDArray[np.int32]


class ModelRanker:
    """Tower, exact retrieval, votes and scorer in float32."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._retriever = Retriever(
            vectors=model.vectors,
            popularity=model.popularity,
            neighbours=model.neighbours,
            followers=model.followers,
            index=VectorIndex.exact_only(model.vectors),
            history=model.card.tower.history,
            count=model.card.candidates,
        )
        self._by_popularity = np.argsort(-model.popularity, kind="stable").astype(np.int32)

    def rank(self, histories: Sequence[Rows], k: int, allow_seen: bool = False) -> Rows:
        """Rows of the k best items for each history, int32 [histories, k], best first; -1 where there are fewer.

        Args:
            histories: Item rows, oldest first; an empty one is ranked by popularity.
            k: Length of each ranking.
            allow_seen: Whether items of the history may appear.
        """
        model = self._model
        users = user_vectors(model.user, torch.from_numpy(model.vectors), histories, model.card.tower.history).numpy()
        vectors = torch.from_numpy(model.vectors)
        ranked = np.full((len(histories), k), -1, np.int32)
        lists = self._retriever.lists(Cases(users, list(histories), []), allow_seen, at_least=k)
        for line, (rows, table) in enumerate(lists):
            if len(histories[line]):
                best = rows[self._best(users[line], vectors[rows.astype(np.int64)], table)[:k]]
            else:
                best = self._by_popularity[:k]
            ranked[line, : len(best)] = best
        return ranked

    @torch.inference_mode()
    def _best(self, user: NDArray[np.float32], vectors: torch.Tensor, table: NDArray[np.float32]) -> NDArray[np.intp]:
        """Places of candidates, best first."""
        scores = self._model.scorer(torch.from_numpy(user)[None], vectors[None], torch.from_numpy(table)[None])[0]
        return np.argsort(-scores.numpy(), kind="stable")
