"""Business rules of a request: which items may appear at all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.catalogue import Catalogue, facts_of
from pocketrec.items import Attribute, Item

Mask = NDArray[np.bool_]
Condition = Attribute | Sequence[Attribute] | Mapping[str, Attribute]
"""A value; several of which any will do; or a range, `{"min": 10, "max": 20}`, ends included, either left out."""


@dataclass(frozen=True, slots=True)
class Range:
    """Values from `least` to `most`; `None` leaves an end open."""

    least: Attribute | None
    most: Attribute | None

    def holds(self, value: Attribute) -> bool:
        """Whether a value of the same kind lies inside."""
        end = self.least if self.least is not None else self.most
        if isinstance(end, str) != isinstance(value, str):
            return False
        return (self.least is None or value >= self.least) and (  # type: ignore[operator]
            self.most is None or value <= self.most  # type: ignore[operator]
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """Conditions that an item must all meet."""

    conditions: tuple[tuple[str, tuple[Attribute, ...] | Range], ...]

    @classmethod
    def of(cls, where: Mapping[str, Condition] | None, known: Iterable[str]) -> "Rules":
        """Read a request's `where`.

        Args:
            where: Field to condition.
            known: Fields that some item has.

        Raises:
            TypeError: `where` is no mapping.
            ValueError: A field that no item has, or a condition that isn't one.
        """
        if not where:
            return cls(())
        if not isinstance(where, Mapping):
            raise TypeError(f"where must map fields to conditions, not {where!r}")
        fields = set(known) | {"categories"}
        for field in where:
            if field not in fields:
                raise ValueError(f"where: no item has a field {field!r}; fields are {', '.join(sorted(fields))}")
        return cls(tuple((field, _condition(field, condition)) for field, condition in where.items()))

    def mask(self, catalogue: Catalogue) -> Mask | None:
        """Rows of the catalogue that meet all conditions; None if there is no condition."""
        mask: Mask | None = None
        for field, condition in self.conditions:
            if isinstance(condition, Range):
                part = catalogue.between(field, condition.least, condition.most)
            else:
                part = np.logical_or.reduce([catalogue.matching(field, value) for value in condition])
            mask = part if mask is None else mask & part
        return mask

    def allow(self, item: Item) -> bool:
        """Whether an item meets all conditions."""
        facts = list(facts_of(item)) if self.conditions else []
        return all(
            any(
                name == field and (condition.holds(value) if isinstance(condition, Range) else value in condition)
                for name, value in facts
            )
            for field, condition in self.conditions
        )


def _condition(field: str, condition: Condition) -> tuple[Attribute, ...] | Range:
    if isinstance(condition, Mapping):
        if not condition or not set(condition) <= {"min", "max"}:
            raise ValueError(f"where: the range of {field!r} is {dict(condition)!r}; it takes 'min', 'max' or both")
        ends = [end for end in condition.values() if end is not None]
        if not all(map(_is_value, ends)) or len({isinstance(end, str) for end in ends}) != 1:
            raise ValueError(f"where: the range of {field!r} is {dict(condition)!r}; its ends must be of one kind")
        return Range(condition.get("min"), condition.get("max"))
    values = tuple(condition) if isinstance(condition, Iterable) and not isinstance(condition, str) else (condition,)
    if not values or not all(map(_is_value, values)):
        raise ValueError(f"where: {field!r} must equal a value, one of several, or lie in a range, not {condition!r}")
    return values


def _is_value(value: object) -> bool:
    """Whether an item's attribute may have it."""
    return isinstance(value, str | float) or (isinstance(value, int) and -(2**63) <= value < 2**63)
