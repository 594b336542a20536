"""What an encoder's graph makes of the texts of a model's items."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec.encoder import TextEncoder
from pocketrec.progress import progress
from pocketrec_export.model import Model


def item_texts(model: Model, rows: Iterable[int] | None = None) -> list[str]:
    """Texts of some items, or of all, as the encoder reads them."""
    items = model.items if rows is None else [model.items[row] for row in rows]
    return [model.card.template.render(item) for item in items]


def reader(model: Model, graph: Path) -> TextEncoder:
    """One of the model's encoders, as it runs in a bundle."""
    return TextEncoder.open(graph, model.encoder_folder / "tokenizer.json", model.card.max_tokens)


def read_items(model: Model, graph: Path) -> NDArray[np.float16]:
    """Vectors of all texts, in the precision in which a bundle keeps them: float16 [items, dim]."""
    encoder, texts = reader(model, graph), item_texts(model)
    read = np.zeros((len(texts), model.card.dim), np.float16)
    with progress("Reading items", total=len(texts)) as shown:
        for row, text in enumerate(texts):
            read[row] = encoder.encode_one(text)
            shown.advance()
    return read
