"""Bags of words as sparse matrices, and TF-IDF as `pocketrec.words` weighs it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pocketrec import words
from pocketrec.words import words_of


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a catalogue."""

    columns: dict[str, int]
    """Place of each word, in order of first appearance."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Vocabulary":
        """All words of some texts."""
        columns: dict[str, int] = {}
        for text in texts:
            for word in words_of(text):
                columns.setdefault(word, len(columns))
        return cls(columns)

    def counts(self, texts: Sequence[str]) -> sparse.csr_array:
        """How often each text has each word, float32 [texts, words]; unknown words don't count.

        Example:
            >>> Vocabulary.of(["blue teapot"]).counts(["Teapot, teapot!", "red"]).toarray()
            array([[0., 2.],
                   [0., 0.]], dtype=float32)
        """
        found: list[int] = []
        ends = [0]
        for text in texts:
            said = words_of(text)
            found += [self.columns[word] for word in said if word in self.columns]
            ends.append(len(found))
        ones = np.ones(len(found), dtype=np.float32)
        shape = (len(texts), len(self.columns))
        counts = sparse.csr_array((ones, np.array(found, dtype=np.int32), np.array(ends, dtype=np.int64)), shape=shape)
        counts.sum_duplicates()
        return counts


def rarity(counts: sparse.csr_array) -> NDArray[np.float64]:
    """Weight of each word, the larger the fewer texts have it: [words].

    Args:
        counts: How often each text has each word, [texts, words].
    """
    return words.rarity(np.bincount(counts.indices, minlength=counts.shape[1]), counts.shape[0])


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
    vectors.data = words.weight(counts.data, rarity[counts.indices]).astype(np.float32)
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    vectors.data /= np.repeat(length, np.diff(counts.indptr))
    return vectors
