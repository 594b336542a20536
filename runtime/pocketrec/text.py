"""From an item to the text that the encoder reads: one definition for training, export and upserts."""

import re
import unicodedata
from typing import Annotated, Literal

import msgspec

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.items import Item

_SPACE = re.compile(r"\s+")


def clean_text(text: str) -> str:
    r"""Unicode NFC, white space folded to single blanks, ends trimmed.

    Example:
        >>> clean_text("  Blue\n teapot ")
        'Blue teapot'
    """
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


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
