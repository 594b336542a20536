"""Which queries models may learn from, which choose, and which test."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec_export.held_out import HeldOut
from pocketrec_training.dataset import Queries

VALIDATION_SHARE = 0.1
"""Of the queries of split `train`, rounded up."""
_SEED = 0
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries, and the items that answer each."""

    texts: list[str]
    answers: list[NDArray[np.int32]]
    """Item rows, at least one for each query."""

    def __len__(self) -> int:
        """Number of queries."""
        return len(self.texts)

    def chosen(self, places: Sequence[int]) -> "Asked":
        """The queries at these places."""
        return Asked([self.texts[i] for i in places], [self.answers[i] for i in places])

    def held_out(self) -> HeldOut:
        """As cases of people who only type."""
        nothing = [np.zeros(0, np.int32)] * len(self)
        return HeldOut(np.arange(len(self), dtype=np.int32), nothing, self.answers, self.texts)

    def items(self) -> NDArray[np.int32]:
        """Rows of all items that answer a query."""
        return np.unique(np.concatenate([*self.answers, np.zeros(0, np.int32)]))


@dataclass(frozen=True, slots=True)
class QueryParts:
    """A data set's queries, cut as its histories are."""

    fit: Asked
    """What models may learn from."""
    validation: Asked
    test: Asked

    @classmethod
    def none(cls) -> "QueryParts":
        """Of a data set without queries."""
        return cls(Asked([], []), Asked([], []), Asked([], []))

    @classmethod
    def of(cls, queries: Queries | None) -> "QueryParts":
        """Queries of split `test` test, a tenth of those of `train` validates, the others are for learning.

        Left out are queries without an answer, those of other splits, and of the others those with the very words of a
        query that tests or validates, which would give its answer away.
        """
        if queries is None:
            return cls.none()
        every = Asked(queries.texts, queries.answers)
        places: dict[str, list[int]] = {"train": [], "test": []}
        for place, (split, answers) in enumerate(zip(queries.splits, queries.answers, strict=True)):
            if split in places and len(answers):
                places[split].append(place)
        drawn = np.random.default_rng(_SEED).permutation(places["train"]).tolist()
        count = math.ceil(len(drawn) * VALIDATION_SHARE)
        test, validation, rest = every.chosen(places["test"]), sorted(drawn[:count]), sorted(drawn[count:])
        secret = {words_of(text) for text in test.texts}
        validation = [place for place in validation if words_of(queries.texts[place]) not in secret]
        secret |= {words_of(queries.texts[place]) for place in validation}
        fit = [place for place in rest if words_of(queries.texts[place]) not in secret]
        return cls(every.chosen(fit), every.chosen(validation), test)

    def final(self) -> "QueryParts":
        """The same test after a last lesson: those that validated come last among those that are learnt from."""
        texts, answers = self.fit.texts + self.validation.texts, self.fit.answers + self.validation.answers
        return QueryParts(Asked(texts, answers), Asked([], []), self.test)

    def unlike(self, share: float = 0.5) -> NDArray[np.bool_]:
        """Test queries that no other query is like: none has `share` of the words that either has, [test]."""
        others = [words_of(text) for part in (self.fit, self.validation) for text in part.texts]
        having: dict[str, list[int]] = {}
        for place, words in enumerate(others):
            for word in words:
                having.setdefault(word, []).append(place)
        sizes = np.array([len(words) for words in others], dtype=np.int64)
        alone = np.ones(len(self.test), dtype=np.bool_)
        for case, text in enumerate(self.test.texts):
            words = words_of(text)
            met = np.array([place for word in words for place in having.get(word, [])], dtype=np.int64)
            common = np.bincount(met, minlength=len(others))
            alone[case] = not (common >= share * (sizes + len(words) - common)).any()
        return alone


def words_of(text: str) -> frozenset[str]:
    """The words of a text, in no order.

    Example:
        >>> words_of("Blue, blue teapot!") == words_of("teapot BLUE")
        True
    """
    return frozenset(_WORD.findall(text.casefold()))
