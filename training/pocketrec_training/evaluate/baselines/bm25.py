"""BM25: what a search engine without learning does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pocketrec_training.evaluate.ranker import best
from pocketrec_training.words import Vocabulary


@dataclass(frozen=True, slots=True)
class Bm25:
    """Okapi BM25 (Robertson and Zaragoza, 2009), with the idf of Lucene, which is never negative.

        score(query, item) = sum over the query's words w of
            ln(1 + (n - n_w + 0.5) / (n_w + 0.5)) * f (k1 + 1) / (f + k1 (1 - b + b length / mean length))

    with n items, n_w of which have w, and f times w in the item.

    Example:
        >>> Bm25.fit(["red cup", "blue cup", "blue plate"]).search(["blue cup"], k=3)
        array([[1, 0, 2]], dtype=int32)
    """

    vocabulary: Vocabulary
    weights: sparse.csr_array
    """[items, words]."""

    @classmethod
    def fit(cls, texts: Sequence[str], k1: float = 0.9, b: float = 0.4) -> "Bm25":
        """Weigh the words of each item.

        Args:
            texts: Text of each item.
            k1: How much more a word says that stands there more often.
            b: How much less it says in a long text.
        """
        vocabulary = Vocabulary.of(texts)
        counts = vocabulary.counts(texts)
        having = np.bincount(counts.indices, minlength=counts.shape[1])
        rarity = np.log1p((len(texts) - having + 0.5) / (having + 0.5))
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        damping = k1 * (1 - b + b * lengths / max(float(lengths.mean()), 1e-12))
        often = counts.data
        saturated = often * (k1 + 1) / (often + np.repeat(damping, np.diff(counts.indptr)))
        counts.data = (rarity[counts.indices] * saturated).astype(np.float32)
        return cls(vocabulary, counts)

    def search(self, queries: Sequence[str], k: int) -> NDArray[np.int32]:
        """Rows of the k best items for each query, as `Searcher.search` says."""
        return best((self.vocabulary.counts(queries) @ self.weights.T).toarray(), k)
