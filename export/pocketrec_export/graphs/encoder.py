"""The encoder: a pretrained language model with pooling, projection and normalisation inside."""

import json
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from pocketrec.errors import ModelError
from pocketrec_export.graphs.unit import unit

Pooling = Literal["mean", "first", "last"]


class TextModel(nn.Module):
    """A pretrained language model that gives one unit vector for a text.

    Args:
        transformer: Any Hugging Face model with `last_hidden_state`.
        pooling: How token states become one: their mean, the first ("CLS"), or the last.
    """

    def __init__(self, transformer: nn.Module, pooling: Pooling) -> None:
        super().__init__()
        self.transformer = transformer
        self.pooling = pooling

    @classmethod
    def open(cls, folder: Path, pooling: Pooling | None = None) -> "TextModel":
        """Load a Hugging Face folder with float32 weights; attention is "eager", whose graph onnxruntime can fuse.

        Args:
            folder: Holds config.json, model.safetensors and tokenizer.json.
            pooling: Overrides what the folder says; see `stated_pooling`.

        Raises:
            ModelError: The folder can't be read as a text model.
        """
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            transformer = AutoModel.from_pretrained(
                folder, config=config, local_files_only=True, attn_implementation="eager", dtype=torch.float32
            )
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a Hugging Face text model: {error}") from None
        return cls(transformer, pooling or stated_pooling(folder)).eval()

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return int(self.transformer.config.hidden_size)  # type: ignore[union-attr, arg-type]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors of texts.

        Args:
            input_ids: Int64 [batch, length], padding at the right.
            attention_mask: Int64 [batch, length]: 1 for a token, 0 for padding.

        Returns:
            Float [batch, width].
        """
        states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.pool(states, attention_mask)

    def pool(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors, float [batch, width], from token states, float [batch, length, width]."""
        if self.pooling == "first":
            pooled = states[:, 0]
        elif self.pooling == "last":
            last = attention_mask.sum(dim=1, keepdim=True) - 1
            pooled = states.gather(1, last[:, :, None].expand(-1, -1, states.shape[-1]))[:, 0]
        else:
            weights = attention_mask[:, :, None].to(states.dtype)
            pooled = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return unit(pooled)


class Encoder(nn.Module):
    """Text model and projection: texts to unit vectors in the space of items and users."""

    def __init__(self, text_model: TextModel, projection: nn.Linear) -> None:
        super().__init__()
        self.text_model = text_model
        self.projection = projection

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors of texts, float [batch, dim]."""
        return unit(self.projection(self.text_model(input_ids, attention_mask)))


def stated_pooling(folder: Path) -> Pooling:
    """Pooling that a folder asks for: its sentence-transformers file, else `last` for decoders, else `mean`."""
    stated = folder / "1_Pooling" / "config.json"
    if stated.exists():
        modes = json.loads(stated.read_text())
        if modes.get("pooling_mode_cls_token"):
            return "first"
        return "last" if modes.get("pooling_mode_lasttoken") else "mean"
    config = json.loads((folder / "config.json").read_text())
    decoder = any(name.endswith(("LMHeadModel", "ForCausalLM")) for name in config.get("architectures") or ())
    return "last" if decoder else "mean"
