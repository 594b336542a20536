"""The words of texts, and how much two texts share of them: TF-IDF (Salton and Buckley 1988).

weight(word, text) = (1 + ln(times in the text)) * (ln((1 + texts) / (1 + texts with it)) + 1)
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = NDArray[np.float64]

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text, in their order, without case."""
    return _WORD.findall(text.casefold())


def rarity(having: NDArray[np.integer], texts: int) -> Weights:
    """Weight of each word, the larger the fewer texts have it: float64 [words].

    Args:
        having: Number of texts with each word [words].
        texts: Number of all texts.
    """
    weight: Weights = np.log((1 + texts) / (1 + having)) + 1
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
    rarities: Weights
    """Of each word, and at the end of one that no text has."""
    starts: NDArray[np.int64]
    """Where each word's texts begin in `rows` [words + 1]."""
    rows: NDArray[np.int32]
    """Texts."""
    weights: Floats
    """Of the word in each; those of one text have length 1."""
    texts: int
    """Number of them."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "WordIndex":
        """Of some texts."""
        columns: dict[str, int] = {}
        found, times, lengths = list[int](), list[int](), list[int]()
        for text in texts:
            counts = Counter(words_of(text))
            found += [columns.setdefault(word, len(columns)) for word in counts]
            times += counts.values()
            lengths.append(len(counts))
        words, owners = np.array(found, np.int64), np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
        having = np.bincount(words, minlength=len(columns))
        rarities = rarity(np.append(having, 1), len(texts))  # a new word: the new text would be the one that has it
        weights = weight(np.array(times, np.int64), rarities[words])
        weights /= np.sqrt(np.bincount(owners, weights**2, minlength=len(texts)))[owners]
        order = np.argsort(words, kind="stable")
        starts = np.append(0, np.cumsum(having))
        return cls(columns, rarities, starts, owners[order], weights[order].astype(np.float32), len(texts))

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
                cosines[self.rows[part]] += np.float32(share) * self.weights[part]
        return cosines
