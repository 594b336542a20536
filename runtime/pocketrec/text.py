"""From items, times and people to the texts that the encoder reads: one definition for training and runtime."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.items import Attribute, Item

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PARTS_OF_DAY = ("night", "morning", "afternoon", "evening")
"""From midnight on, six hours each."""


def clean_text(text: str) -> str:
    r"""Unicode NFC, white space folded to single blanks, ends trimmed.

    Example:
        >>> clean_text("  Blue\n teapot ")
        'Blue teapot'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


class TextTemplate(Config, frozen=True, kw_only=True):
    """How an item becomes one text. A bundle stores it with its digest, so old and new items read alike.

    Example:
        >>> TextTemplate().render(Item(id="1", title="Blue teapot", categories=("kitchen", "tea")))
        'Blue teapot. kitchen, tea'
    """

    fields: tuple[Literal["title", "categories", "text"], ...] = ("title", "categories", "text")
    """Fields in the order in which they are read; empty ones are left out."""
    separator: str = ". "
    """Stands between fields."""
    max_characters: Annotated[int, msgspec.Meta(ge=16)] = 1000
    """Longer texts are cut here, before the tokenizer cuts at its own limit."""

    def render(self, item: Item) -> str:
        """Text of an item, cleaned and cut."""
        values = {"title": item.title, "categories": ", ".join(item.categories), "text": item.text}
        parts = (clean_text(values[field]) for field in self.fields)
        return self.separator.join(part for part in parts if part)[: self.max_characters]

    @property
    def digest(self) -> str:
        """Names this template; vectors made with another template aren't comparable."""
        return text_digest(msgspec.json.encode(self).decode())


def time_words(moment: datetime) -> str:
    """A moment as words for `context`: month, weekday and part of the day.

    Args:
        moment: With a zone, it is brought to UTC, by which data sets keep time; without one it is taken as it is.

    Example:
        >>> time_words(datetime(2026, 12, 5, 19, 30))
        'december, saturday, evening'
    """
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    part = _PARTS_OF_DAY[moment.hour // 6]
    return f"{_MONTHS[moment.month - 1]}, {_WEEKDAYS[moment.weekday()]}, {part}"


def user_words(text: str = "", attributes: Mapping[str, Attribute] | None = None) -> str:
    """What is known of a person as words for `context`: a text of their own, then names and values.

    Example:
        >>> user_words("likes tea", {"age": 34, "occupation": "baker"})
        'likes tea, age 34, occupation baker'
    """
    facts = (f"{name.replace('_', ' ')} {value}" for name, value in (attributes or {}).items())
    return ", ".join(part for part in map(clean_text, (text, *facts)) if part)
