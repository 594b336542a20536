"""The texts of a model's items, and who reads them as a bundle does."""

from collections.abc import Iterable
from pathlib import Path

from pocketrec.encoder import TextEncoder
from pocketrec_export.model import Model


def item_texts(model: Model, rows: Iterable[int] | None = None) -> list[str]:
    """Texts of some items, or of all, as the encoder reads them."""
    items = model.items if rows is None else [model.items[row] for row in rows]
    return [model.card.template.render(item) for item in items]


def reader(model: Model, graph: Path) -> TextEncoder:
    """One of the model's encoders, as it runs in a bundle."""
    return TextEncoder.open(graph, model.encoder_folder / "tokenizer.json", model.card.max_tokens)
