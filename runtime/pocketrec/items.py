"""What callers hand in and get back: items and recommendations."""

from typing import Annotated, Literal

import msgspec

Attribute = str | float | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | bool
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


_encode = msgspec.json.Encoder(order="deterministic").encode
decode_item = msgspec.json.Decoder(Item).decode
"""Reads what `encode_item` wrote."""


def encode_item(item: Item) -> bytes:
    """JSON of an item, in the one form in which items are stored.

    Raises:
        ValueError: The item couldn't be read again: a value of another type than its field's, a number that isn't
            finite or takes more than 64 bits, or text that isn't Unicode.
    """
    try:
        content = _encode(item)
        decode_item(content)
    except (msgspec.MsgspecError, TypeError, UnicodeEncodeError) as error:
        raise ValueError(f"an item can't be stored: {error}: {item!r}") from None
    return content


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
