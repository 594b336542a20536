"""An encoder that learns: which language model reads, what of it learns, and from whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from pocketrec.config import Config
from pocketrec.items import Item
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.pretrained import Pooling
from pocketrec_training.arithmetic import Arithmetic, computed_in
from pocketrec_training.augment.texts import varied_texts
from pocketrec_training.encoder.text_reader import TextReader

_RATES = {"all": 5e-5, "top": 1e-4, "lora": 5e-4}
"""Usual peak learning rate of each way to tune: the fewer weights learn, the larger the steps they take."""


class EncoderConfig(Config, frozen=True, kw_only=True):
    """Which language model reads, and how it learns."""

    folder: str = ""
    """Of a Hugging Face text model; empty for all-MiniLM-L6-v2."""
    pooling: Pooling | None = None
    """Overrides what the folder says."""
    max_tokens: Annotated[int, Meta(ge=4, le=512)] = 64
    """Longer texts are cut."""
    tune: Annotated[str, Meta(pattern=r"^(none|lora|all|top:[1-9]\d*)$", description="none, lora, all, top:N")] = "none"
    """What learns: nothing, low-rank corrections (`lora`), the last N layers (`top:N`), or `all`."""
    teacher: Literal["votes", "tower"] = "votes"
    """From whom: `votes`, what else people took whose things it reads, before all else is trained on its vectors; or
    `tower`, the next item, together with a tower and items that were trained before."""
    rank: Annotated[int, Meta(ge=1)] = 16
    """Of the low-rank corrections."""
    rounds: Annotated[int, Meta(ge=1)] = 3
    """After each the catalogue is read anew, and items held back say whether it got better."""
    steps: Annotated[int, Meta(ge=1)] = 50
    """Batches in a round."""
    rate: Annotated[float, Meta(gt=0)] | None = None
    """Peak learning rate of the language model; by default 5e-5 for `all`, 1e-4 for `top:N`, 5e-4 for `lora`. With
    `tower`, that one and items learn at a tenth of what they had."""
    texts: Annotated[int, Meta(ge=4)] = 256
    """Most items of a batch whose texts are read with gradients."""
    chunk: Annotated[int, Meta(ge=1)] = 256
    """Texts whose activations are held in memory at a time; a batch of more is read twice."""
    arithmetic: Arithmetic = "float32"
    """Of the language model while it learns; bfloat16 is taken where this CPU multiplies it faster."""
    token_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of a text's tokens that are left out while it learns."""
    variants: Annotated[int, Meta(ge=0)] = 0
    """More ways to say each item: fields in another order, some left out."""
    field_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    """Share of the fields, but for titles, that a variant leaves out."""
    cold_share: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    """With `tower`, share of items that lose their residual in each step, so that the text must say what behaviour
    knows."""

    @property
    def peak_rate(self) -> float:
        """Of the language model."""
        return self.rate or _RATES.get(self.tune.partition(":")[0], 0.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """An encoder that learns along."""

    reader: TextReader
    """Of each item's text, then of variants of all of them."""
    items: int
    rate: float
    """Peak learning rate of its weights."""
    texts: int
    """Most items of a batch whose texts are read anew, with gradients; the others keep the vectors of last time."""
    chunk: int
    """Texts whose activations are held at a time."""
    token_dropout: float
    """Share of a text's tokens that are left out."""
    arithmetic: torch.dtype

    @classmethod
    def open(
        cls,
        model: TextModel,
        folder: Path,
        items: Sequence[Item],
        template: TextTemplate,
        config: EncoderConfig,
        random: np.random.Generator,
    ) -> "Reading":
        """Tokenise all items' texts, as they are said and in other ways.

        Args:
            model: The language model; changed in place.
            folder: With its tokenizer.
            items: Of the catalogue.
            template: How they are said.
            config: What learns and how.
            random: Draws the other ways.
        """
        texts = [template.render(item) for item in items]
        for _ in range(config.variants):
            texts += varied_texts(items, template, config.field_dropout, random)
        return cls(
            TextReader.open(model, folder, texts, config.max_tokens, config.tune, config.rank),
            len(items),
            config.peak_rate,
            config.texts,
            config.chunk,
            config.token_dropout,
            computed_in(config.arithmetic),
        )

    def ways(self, count: int, random: np.random.Generator) -> Tensor:
        """For each of `count` items one of the ways to say it, int64; 0 is the usual one."""
        return torch.from_numpy(random.integers(0, len(self.reader) // self.items, count))

    def said(self, rows: Tensor, ways: Tensor) -> list[int]:
        """Texts of some items, each said in its way."""
        texts: list[int] = (rows + ways * self.items).tolist()
        return texts

    def read(self, texts: Sequence[int]) -> Tensor:
        """Vectors of some texts, with tokens left out: float [texts, width]."""
        with torch.autocast("cpu", self.arithmetic, enabled=self.arithmetic is not torch.float32):
            return self.reader.read(texts, self.token_dropout).float()
