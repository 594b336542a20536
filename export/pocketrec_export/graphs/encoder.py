"""The encoder: a pretrained language model with pooling, projection and normalisation inside."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from pocketrec.errors import ModelError
from pocketrec_export.graphs.pretrained import (
    SUPPORTED,
    Pooling,
    is_causal,
    load_transformer,
    stated_pooling,
)
from pocketrec_export.graphs.unit import unit

_TOLERANCE = 1e-4
"""Largest difference between a text alone and the same text padded that float32 arithmetic explains."""


class TextModel(nn.Module):
    """A pretrained language model that gives one unit vector for a text.

    Args:
        transformer: Any Hugging Face model with `last_hidden_state`.
        pooling: How token states become one.
    """

    def __init__(self, transformer: nn.Module, pooling: Pooling) -> None:
        super().__init__()
        self.transformer = transformer
        self.pooling = pooling
        self.causal = is_causal(self.config)
        # Told to be 0, kinds of token cost a graph two operators; left out, ten.
        self.kinds = hasattr(getattr(transformer, "embeddings", None), "token_type_embeddings")

    @classmethod
    def open(cls, folder: Path, pooling: Pooling | None = None, max_tokens: int = 8) -> "TextModel":
        """Load a Hugging Face folder.

        Args:
            folder: Holds config.json and model.safetensors.
            pooling: Overrides what the folder says; see `stated_pooling`.
            max_tokens: Length of text that it must be able to read.

        Raises:
            ModelError: The folder can't be read as a text model, or not at that length.
        """
        model = cls(load_transformer(folder), pooling or stated_pooling(folder)).eval()
        model._check(folder, max_tokens)
        return model

    @property
    def config(self) -> PretrainedConfig:
        """What config.json says."""
        return self.transformer.config

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return int(self.config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors of texts.

        Args:
            input_ids: Int64 [batch, length], padding at the right.
            attention_mask: Int64 [batch, length]: 1 for a token, 0 for padding.

        Returns:
            Float [batch, width].
        """
        mask = self._seen(attention_mask) if self.causal else attention_mask
        kinds = {"token_type_ids": torch.zeros_like(input_ids)} if self.kinds else {}
        states = self.transformer(input_ids=input_ids, attention_mask=mask, **kinds).last_hidden_state
        return self.pool(states, attention_mask)

    def pool(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors, float [batch, width], from token states, float [batch, length, width]."""
        if self.pooling == "first":
            pooled = states[:, 0]
        elif self.pooling == "last":
            last = attention_mask.sum(dim=1, keepdim=True) - 1
            pooled = states.gather(1, last[:, :, None].expand(-1, -1, states.shape[-1]))[:, 0]
        else:
            # The sum and the mean have one direction.
            pooled = (states * attention_mask[:, :, None].to(states.dtype)).sum(dim=1)
        return unit(pooled)

    def _seen(self, attention_mask: Tensor) -> Tensor:
        """What a decoder adds to attention: 0 where a token sees another, else very little; [batch, 1, length, length].

        Decoders take such a mask as it is. The one that they make themselves can't be traced into a graph.
        """
        places = torch.arange(attention_mask.shape[1], device=attention_mask.device)
        seen = (places[:, None] >= places[None, :]) & (attention_mask[:, None, None, :] > 0)
        dtype: torch.dtype = self.transformer.dtype  # type: ignore[assignment]
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)

    @torch.inference_mode()
    def _check(self, folder: Path, max_tokens: int) -> None:
        """A text's vector must be what the model itself gives for it alone, and the same beside a longer one."""
        padding = max(self.config.pad_token_id or 0, 0)
        some = [token for token in range(9) if token != padding]
        long = torch.tensor([(some * max_tokens)[:max_tokens]])
        half, whole = max_tokens // 2, torch.ones_like(long)
        short, mask = long.clone(), whole.clone()
        short[:, half:], mask[:, half:] = padding, 0
        try:
            alone = torch.cat([self._alone(long), self._alone(short[:, :half])])
            beside = self(torch.cat([long, short]), torch.cat([whole, mask]))
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(
                f"{folder} holds no text model that reads {max_tokens} tokens ({self.config.model_type}): {error}; "
                f"{SUPPORTED}"
            ) from None
        difference = float((alone - beside).abs().max())
        if not difference <= _TOLERANCE:
            raise ModelError(
                f"{folder} holds a model ({self.config.model_type}) that gives a text another vector beside a longer "
                f"one, by {difference:.2g}; {SUPPORTED}"
            )

    def _alone(self, ids: Tensor) -> Tensor:
        mask = torch.ones_like(ids)
        states = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        if states.shape[-1] != self.width:
            raise ValueError(f"its states are {states.shape[-1]} wide, its config says {self.width}")
        return self.pool(states, mask)


class Encoder(nn.Module):
    """Text model and projection: texts to unit vectors in the space of items and users."""

    def __init__(self, text_model: TextModel, projection: nn.Linear) -> None:
        super().__init__()
        self.text_model = text_model
        self.projection = projection

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors of texts, float [batch, dim]."""
        return unit(self.projection(self.text_model(input_ids, attention_mask)))
