"""The words of texts, and how much two texts share of them: TF-IDF (Salton and Buckley 1988).

weight(word, text) = (1 + ln(times in the text)) * (ln((1 + texts) / (1 + texts with it)) + 1)
"""

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = NDArray[np.floating]

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text, in their order, without case."""
    return _WORD.findall(text.casefold())


def rarity(having: NDArray[np.integer], texts: int) -> NDArray[np.float64]:
    """Weight of each word, the larger the fewer texts have it: float64 [words].

    Args:
        having: Number of texts with each word [words].
        texts: Number of all texts.
    """
    weight: NDArray[np.float64] = np.log((1 + texts) / (1 + having)) + 1
    return weight


def weight(times: NDArray[np.number], rarities: Weights) -> Weights:
    """Weight of words in a text.

    Args:
        times: How often each stands there.
        rarities: Theirs.
    """
    weighted: Weights = (1 + np.log(times)) * rarities
    return weighted


@dataclass(frozen=True, slots=True)
class WordIndex:
    """For each word the texts that have it."""

    columns: dict[str, int]
    """Place of each word."""
    rarities: Floats
    """Of each word, and at the end of one that no text has."""
    starts: NDArray[np.int64]
    """Where each word's texts begin in `rows` [words + 1]."""
    rows: NDArray[np.intp]
    """Texts."""
    weights: Floats
    """Of the word in each; those of one text have length 1."""
    texts: int
    """Number of them."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "WordIndex":
        """Of some texts."""
        columns: dict[str, int] = {}
        found, times, lengths = array("i"), array("i"), array("i")  # a list takes eight times the room
        for text in texts:
            counts = Counter(words_of(text))
            found.extend(columns.setdefault(word, len(columns)) for word in counts)
            times.extend(counts.values())
            lengths.append(len(counts))
        words = np.frombuffer(found, np.int32) if found else np.zeros(0, np.int32)
        having = np.bincount(words, minlength=len(columns))
        # What no text has: the new text would be the one that has it.
        rarities = rarity(np.append(having, 1), len(texts)).astype(np.float32)
        weights = weight(np.array(times, np.float32), rarities[words])
        owners = np.repeat(np.arange(len(texts)), lengths)
        weights /= np.sqrt(np.bincount(owners, weights**2, minlength=len(texts)).astype(np.float32))[owners]
        order = np.argsort(words, kind="stable")
        return cls(columns, rarities, np.append(0, np.cumsum(having)), owners[order], weights[order], len(texts))

    def cosines(self, text: str) -> Floats:
        """Of a text to each of the index: float32 [texts], 1 for the same words, 0 for none in common.

        Example:
            >>> WordIndex.of(["blue teapot", "red rug", ""]).cosines("Teapot, blue").round(3)
            array([1., 0., 0.], dtype=float32)
        """
        cosines = np.zeros(self.texts, np.float32)
        counts = Counter(words_of(text))
        places = [self.columns.get(word, len(self.columns)) for word in counts]
        weights = weight(np.fromiter(counts.values(), np.int64), self.rarities[places])
        length = float(np.linalg.norm(weights))
        for place, share in zip(places, (weights / max(length, 1e-12)).tolist(), strict=True):
            if place < len(self.columns):
                part = slice(self.starts[place], self.starts[place + 1])
                np.add.at(cosines, self.rows[part], np.float32(share) * self.weights[part])
        return cosines
