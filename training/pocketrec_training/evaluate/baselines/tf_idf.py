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
from pocketrec_training.evaluate.baselines.words import Vocabulary
from pocketrec_training.evaluate.ranker import Histories, best


@dataclass(frozen=True, slots=True)
class TfIdf(Baseline):
    """Cosine of bags of words (Salton and Buckley, 1988), summed over the history's newest items, or of a query.

    weight(word, item) = (1 + ln(times in item)) * (ln((1 + items) / (1 + items with it)) + 1)
    """

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
        rarity = np.log((1 + len(texts)) / (1 + np.bincount(counts.indices, minlength=counts.shape[1]))) + 1
        below = popularity_below_zero(popularity)
        return cls(len(texts), word_vectors(counts, rarity), below, newest, vocabulary, rarity)

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Summed cosines."""
        queries = history_matrix(histories, self.items, self.newest) @ self.words
        return backed_off(queries @ self.words.T, self.below)

    def search(self, queries: Sequence[str], k: int) -> NDArray[np.int32]:
        """Rows of the k best items for each query, as `Searcher.search` says."""
        asked = word_vectors(self.vocabulary.counts(queries), self.rarity)
        return best(backed_off(asked @ self.words.T, self.below), k)


def word_vectors(counts: sparse.csr_array, rarity: NDArray[np.float64]) -> sparse.csr_array:
    """TF-IDF rows of unit length, float32 [texts, words].

    Args:
        counts: How often each text has each word, [texts, words].
        rarity: Weight of each word.

    Example:
        >>> counts = Vocabulary.of(["blue teapot"]).counts(["blue teapot", "Blue teapot, teapot!", ""])
        >>> word_vectors(counts, np.ones(2)).toarray().round(3)
        array([[0.707, 0.707],
               [0.509, 0.861],
               [0.   , 0.   ]], dtype=float32)
    """
    vectors = counts.copy()
    vectors.data = ((1 + np.log(counts.data)) * rarity[counts.indices]).astype(np.float32)
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    vectors.data /= np.repeat(length, np.diff(counts.indptr))
    return vectors
