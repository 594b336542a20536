"""TF-IDF: items whose words are like those of the history's newest items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pocketrec_training.evaluate.baselines.baseline import (
    Baseline,
    backed_off,
    history_matrix,
    popularity_below_zero,
)
from pocketrec_training.evaluate.ranker import Histories, best
from pocketrec_training.words import Vocabulary, rarity, word_vectors


@dataclass(frozen=True, slots=True)
class TfIdf(Baseline):
    """Cosine of bags of words, summed over the history's newest items, or of a query."""

    items: int
    words: sparse.csr_array
    """[items, words], rows of unit length."""
    below: NDArray[np.float32]
    newest: int
    vocabulary: Vocabulary
    rarity: NDArray[np.float64]
    """[words]."""

    @classmethod
    def fit(cls, texts: Sequence[str], popularity: NDArray[np.int64], newest: int = 5) -> "TfIdf":
        """Weigh words.

        Args:
            texts: Text of each item.
            popularity: Interactions with each item; orders items that share no word with the history.
            newest: Items of the history that count.
        """
        vocabulary = Vocabulary.of(texts)
        counts = vocabulary.counts(texts)
        rare, below = rarity(counts), popularity_below_zero(popularity)
        return cls(len(texts), word_vectors(counts, rare), below, newest, vocabulary, rare)

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Summed cosines."""
        queries = history_matrix(histories, self.items, self.newest) @ self.words
        return backed_off(queries @ self.words.T, self.below)

    def search(self, queries: Sequence[str], k: int) -> NDArray[np.int32]:
        """Rows of the k best items for each query, as `Searcher.search` says."""
        asked = word_vectors(self.vocabulary.counts(queries), self.rarity)
        return best(backed_off(asked @ self.words.T, self.below), k)
