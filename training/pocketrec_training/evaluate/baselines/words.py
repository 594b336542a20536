"""Bags of words: what TF-IDF and BM25 count."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

_WORD = re.compile(r"\w+")


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
            for word in _WORD.findall(text.casefold()):
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
            words = _WORD.findall(text.casefold())
            found += [self.columns[word] for word in words if word in self.columns]
            ends.append(len(found))
        ones = np.ones(len(found), dtype=np.float32)
        shape = (len(texts), len(self.columns))
        counts = sparse.csr_array((ones, np.array(found, dtype=np.int32), np.array(ends, dtype=np.int64)), shape=shape)
        counts.sum_duplicates()
        return counts
