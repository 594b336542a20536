"""How alike texts are: half to the encoder, half by the words that they share.

Each sees what the other misses. The encoder knows that a mug is nearly a cup; that two items have the very same rare
word, a brand or an author, drowns in its mean over tokens (docs/decisions/0036, 0041).
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pocketrec.encoder import TextEncoder
from pocketrec.progress import progress
from pocketrec.words import WordIndex

Floats = NDArray[np.float32]


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1 in the same direction; 0 stays 0."""
    shortened: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return shortened


def centred(vectors: Floats) -> Floats:
    """Unit vectors of what is left when the mean is taken off: float32, same shape.

    Vectors of one domain's texts share a large common part, which says nothing of what two of them have in common.
    """
    return unit(vectors - vectors.mean(axis=0, dtype=np.float32))


def read_texts(encoder: TextEncoder, texts: Sequence[str], dim: int) -> NDArray[np.float16]:
    """Vectors of a catalogue's texts, in the precision in which a bundle keeps them: float16 [texts, dim]."""
    read = np.zeros((len(texts), dim), np.float16)
    with progress("Reading items", total=len(texts)) as shown:
        for row, text in enumerate(texts):
            read[row] = encoder.encode_one(text)
            shown.advance()
    return read


class TextLikeness:
    """The texts of a bundle's items, made ready when the first other text is compared with them."""

    def __init__(self, read: NDArray[np.float16 | np.float32], texts: Callable[[], Sequence[str]]) -> None:
        """Of a catalogue.

        Args:
            read: The encoder's vectors of all items' texts [items, dim].
            texts: Gives those texts.
        """
        self.read = read
        self.texts = texts

    def __len__(self) -> int:
        """Number of items."""
        return len(self.read)

    @cached_property
    def centred(self) -> Floats:
        """The vectors less their common part, of unit length: float32 [items, dim]."""
        return centred(self.read.astype(np.float32))

    @cached_property
    def _centre(self) -> Floats:
        centre: Floats = self.read.mean(axis=0, dtype=np.float32)
        return centre

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex.of(self.texts())

    def to(self, read: Floats, texts: Sequence[str]) -> Floats:
        """Of other texts to those of all items: float32 [texts, items], 1 for the same, 0 for nothing in common.

        Args:
            read: The encoder's vectors of those [texts, dim].
            texts: What it read.

        Example:
            >>> read = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]], dtype=np.float32)
            >>> items = TextLikeness(read, lambda: ["red mug", "red cup", "blue rug"])
            >>> items.to(read[:1], ["red mug"]).round(2)
            array([[1.  , 0.66, 0.  ]], dtype=float32)
        """
        alike: Floats = np.maximum(unit(read - self._centre) @ self.centred.T, 0)
        for line, text in zip(alike, texts, strict=True):
            line += self._words.cosines(text)
        return alike * np.float32(0.5)

    def among(self, rows: NDArray[np.integer]) -> Floats:
        """Of the texts of some items to those of all: float32 [rows, items]."""
        texts = self.texts()
        return self.to(self.read[rows].astype(np.float32), [texts[row] for row in rows.tolist()])
