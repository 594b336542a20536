"""How alike the texts of items are: half to the encoder, half by the words that they share.

Each sees what the other misses. The encoder knows that a mug is nearly a cup; that two items have the very same rare
word, a brand or an author, drowns in its mean over tokens (docs/decisions/0036).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pocketrec_export.text_vectors import centred
from pocketrec_training.words import Vocabulary, rarity, word_vectors


@dataclass(frozen=True, slots=True)
class TextLikeness:
    """The texts of a catalogue, ready to be compared."""

    read: NDArray[np.float32]
    """The encoder's vectors, less their common part, of unit length [items, width]."""
    words: csr_array
    """TF-IDF, rows of unit length [items, words]."""

    @classmethod
    def of(cls, vectors: NDArray[np.float32], texts: Sequence[str]) -> "TextLikeness":
        """Of a catalogue.

        Args:
            vectors: The encoder's [items, width].
            texts: What it read.
        """
        counts = Vocabulary.of(texts).counts(texts)
        return cls(centred(vectors), word_vectors(counts, rarity(counts)))

    def to(self, some: NDArray[np.bool_] | NDArray[np.intp]) -> NDArray[np.float32]:
        """Of all items to some of them: float32 [items, some], 1 for the same text, 0 for nothing in common.

        Args:
            some: Mask of these [items], or their rows.

        Example:
            >>> vectors = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]], dtype=np.float32)
            >>> texts = TextLikeness.of(vectors, ["red mug", "red cup", "blue rug"])
            >>> texts.to(np.array([True, False, False]))[:, 0].round(2)
            array([1.  , 0.66, 0.  ], dtype=float32)
        """
        read: NDArray[np.float32] = np.maximum(self.read @ self.read[some].T, 0)
        shared: NDArray[np.float32] = (self.words @ self.words[some].T).toarray()
        return (read + shared) * np.float32(0.5)
