"""TF-IDF: items whose words are like those of the history's newest items."""

import re
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
from pocketrec_training.evaluate.ranker import Histories

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class TfIdf(Baseline):
    """Cosine of bags of words (Salton and Buckley, 1988), summed over the history's newest items.

    weight(word, item) = (1 + ln(times in item)) * (ln((1 + items) / (1 + items with it)) + 1)
    """

    items: int
    words: sparse.csr_array
    """[items, words], rows of unit length."""
    below: NDArray[np.float32]
    newest: int

    @classmethod
    def fit(cls, texts: Sequence[str], popularity: NDArray[np.int64], newest: int = 5) -> "TfIdf":
        """Weigh words.

        Args:
            texts: Text of each item.
            popularity: Interactions with each item; orders items that share no word with the history.
            newest: Items of the history that count.
        """
        return cls(len(texts), word_vectors(texts), popularity_below_zero(popularity), newest)

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Summed cosines."""
        queries = history_matrix(histories, self.items, self.newest) @ self.words
        return backed_off(queries @ self.words.T, self.below)


def word_vectors(texts: Sequence[str]) -> sparse.csr_array:
    """TF-IDF rows of unit length, [texts, words], words in order of first appearance.

    Example:
        >>> word_vectors(["blue teapot", "Blue teapot!", ""]).toarray().round(3)
        array([[0.707, 0.707],
               [0.707, 0.707],
               [0.   , 0.   ]], dtype=float32)
    """
    numbers: dict[str, int] = {}
    columns: list[int] = []
    lengths = []
    for text in texts:
        found = [numbers.setdefault(word, len(numbers)) for word in _WORD.findall(text.casefold())]
        columns.extend(found)
        lengths.append(len(found))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    data = np.ones(len(columns), dtype=np.float32)
    counts = sparse.csr_array((data, np.array(columns, dtype=np.int32), offsets), shape=(len(texts), len(numbers)))
    counts.sum_duplicates()
    rarity = np.log((1 + len(texts)) / (1 + np.bincount(counts.indices, minlength=len(numbers)))) + 1
    counts.data = ((1 + np.log(counts.data)) * rarity[counts.indices]).astype(np.float32)
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    counts.data /= np.repeat(length, np.diff(counts.indptr))
    return counts
