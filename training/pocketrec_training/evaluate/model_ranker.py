"""Rank with the PyTorch model, by the very steps of the runtime, or with one of its sources alone."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from pocketrec.features import appeal, scaled_popularity
from pocketrec.index import Mask, VectorIndex
from pocketrec.neighbours import Neighbours
from pocketrec.votes import Votes
from pocketrec_export.model import Model
from pocketrec_export.text_vectors import encode_texts
from pocketrec_training.scorer.candidate_lists import Cases, Retriever
from pocketrec_training.tower.ranking import rank_by_tower, user_vectors

Rows = NDArray[np.int32]


class ModelRanker:
    """Tower, exact retrieval, votes and scorer in float32."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._retriever = Retriever(
            vectors=model.vectors,
            popularity=model.popularity,
            trend=model.trend,
            neighbours=model.neighbours,
            followers=model.followers,
            index=VectorIndex.exact_only(model.vectors),
            history=model.card.tower.history,
            count=model.card.candidates,
        )
        general = appeal(scaled_popularity(model.popularity), model.trend)
        self._by_appeal = np.argsort(-general, kind="stable").astype(np.int32)

    def rank(self, histories: Sequence[Rows], k: int, allow_seen: bool = False, among: Mask | None = None) -> Rows:
        """Rows of the k best items for each history, int32 [histories, k], best first; -1 where there are fewer.

        Args:
            histories: Item rows, oldest first; an empty one is ranked by trend, then popularity.
            k: Length of each ranking.
            allow_seen: Whether items of the history may appear.
            among: Mask of the items that may appear; all by default.
        """
        ranked = self._ranked(histories, k, None, allow_seen, among)
        kept = slice(None) if among is None else among[self._by_appeal]
        popular = self._by_appeal[kept][:k]
        for line, rows in enumerate(histories):
            if not len(rows):
                ranked[line, :] = -1
                ranked[line, : len(popular)] = popular
        return ranked

    def search(self, queries: Sequence[str], k: int) -> Rows:
        """Rows of the k best items for each query alone, as `rank` gives them."""
        return self.ask([np.zeros(0, np.int32)] * len(queries), queries, k)

    def ask(self, histories: Sequence[Rows], queries: Sequence[str], k: int) -> Rows:
        """Rows of the k best items for each history with what its person typed, as `rank` gives them."""
        model = self._model
        folder, most = model.encoder_folder, model.card.max_tokens
        read = encode_texts(queries, model.encoder.text_model, folder, most, "Reading queries")
        with torch.inference_mode():
            typed = F.normalize(model.encoder.projection(torch.from_numpy(read)), dim=-1)
        return self._ranked(histories, k, typed)

    def _ranked(
        self,
        histories: Sequence[Rows],
        k: int,
        queries: torch.Tensor | None,
        allow_seen: bool = False,
        among: Mask | None = None,
    ) -> Rows:
        """By tower, retrieval and scorer; `queries` are vectors [histories, dim]."""
        model, vectors = self._model, torch.from_numpy(self._model.vectors)
        users = user_vectors(model.user, vectors, histories, model.card.tower.history, queries).numpy()
        cases = Cases(users, list(histories), [], None if queries is None else queries.numpy(), allow_seen)
        ranked = np.full((len(histories), k), -1, np.int32)
        for line, (rows, table) in enumerate(self._retriever.lists(cases, at_least=k, allowed=among)):
            best = rows[self._best(users[line], vectors[rows.astype(np.int64)], table)[:k]]
            ranked[line, : len(best)] = best
        return ranked

    @torch.inference_mode()
    def _best(self, user: NDArray[np.float32], vectors: torch.Tensor, table: NDArray[np.float32]) -> NDArray[np.intp]:
        """Places of candidates, best first."""
        scores = self._model.scorer(torch.from_numpy(user)[None], vectors[None], torch.from_numpy(table)[None])[0]
        return np.argsort(-scores.numpy(), kind="stable")


class TowerRanker:
    """The tower alone, by inner product over the whole catalogue.

    Args:
        model: A trained model.
        width: Leading components of the vectors that count; all by default.
    """

    def __init__(self, model: Model, width: int | None = None) -> None:
        self._model, self._width = model, width

    def rank(self, histories: Sequence[Rows], k: int, allow_seen: bool = False, among: Mask | None = None) -> Rows:
        """As `ModelRanker.rank`."""
        model = self._model
        vectors, history = torch.from_numpy(model.vectors), model.card.tower.history
        return rank_by_tower(
            model.user, vectors, histories, history, k, allow_seen=allow_seen, among=among, width=self._width
        )


class VoteRanker:
    """Neighbours or followers alone, by their votes.

    Args:
        weights: Between items.
    """

    def __init__(self, weights: Neighbours) -> None:
        self._weights = weights

    def rank(self, histories: Sequence[Rows], k: int, allow_seen: bool = False, among: Mask | None = None) -> Rows:
        """As `ModelRanker.rank`; -1 where fewer items have votes."""
        ranked = np.full((len(histories), k), -1, np.int32)
        wanted = np.ones(len(self._weights), np.bool_) if among is None else among.copy()
        for line, rows in enumerate(histories):
            votes = Votes.of(rows, [self._weights])
            before = wanted[rows]
            wanted[rows] = before & allow_seen
            best = votes.best(0, k, wanted)
            wanted[rows] = before
            ranked[line, : len(best)] = best[np.argsort(-votes.at(best)[0], kind="stable")]
        return ranked
