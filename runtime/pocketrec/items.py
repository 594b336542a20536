"""What callers hand in and get back: items and recommendations."""

from typing import Literal

import msgspec

Attribute = str | float | int | bool
"""A value of an item's attribute."""


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that can be recommended.

    Example:
        >>> Item(id="71053", title="White metal lantern", categories=("garden",)).title
        'White metal lantern'
    """

    id: str
    """Unique in the catalogue; any non-empty text."""
    title: str
    """Short name, shown to people and read by the encoder."""
    text: str = ""
    """Longer description, read by the encoder after title and categories."""
    categories: tuple[str, ...] = ()
    """Labels; filter with `where={"categories": ...}`."""
    attributes: dict[str, Attribute] = {}
    """Further facts to filter by, such as price or year; not read by the encoder."""


ReasonKind = Literal["bought_together", "similar", "query", "popular"]


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why an item was recommended: one thing the person did or asked for, and how much it counted."""

    kind: ReasonKind
    """`bought_together`: people who took `item_id` take this too; `similar`: its vector, made of text and behaviour, is
    near that of `item_id`."""
    item_id: str | None = None
    """The item of the history behind it; `None` for `query` and `popular`."""
    weight: float = 0.0
    """Larger counts more; comparable between reasons of the same kind."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an answer."""

    id: str
    score: float
    """Higher is better; comparable within one answer."""
    item: Item
    reasons: tuple[Reason, ...] = ()
    """Filled by `explain=True`: the strongest of each kind."""
