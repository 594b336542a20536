"""A fixed list of texts, read by a language model of which a part learns."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PretrainedConfig

from pocketrec.errors import ConfigError
from pocketrec.progress import progress
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.layers import layers_of
from pocketrec_export.tokenizer import read_tokenizer, token_ids
from pocketrec_training.augment.texts import kept_tokens

_TOP = re.compile(r"top:([1-9]\d*)")
BATCH = 32


class TextReader:
    """Texts as tokens, and a language model that learns to read them.

    With the top layers alone, what the frozen layers below say of each text is computed once and kept.

    Args:
        model: The language model; it is changed in place.
        tokens: Ids of each text.
        tune: `all` weights; `top:N`, the last N layers; or `lora`, low-rank corrections to every linear layer (Hu et
            al. 2022, "LoRA").
        rank: Of the corrections.
    """

    def __init__(self, model: TextModel, tokens: Sequence[Sequence[int]], tune: str, rank: int) -> None:
        self._model = model.train(False)
        self._tokens = [torch.tensor(ids, dtype=torch.long) for ids in tokens]
        self._bottom: _Bottom | None = None
        self._adapted = tune == "lora"
        transformer = model.transformer.requires_grad_(False)
        top = _TOP.fullmatch(tune)
        if tune == "lora":
            from peft import LoraConfig, inject_adapter_in_model  # takes seconds to import

            adapter = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")
            inject_adapter_in_model(adapter, transformer)
        elif top:
            layers = layers_of(transformer)
            learning = layers[max(len(layers) - int(top[1]), 0) :]
            learning.requires_grad_(True)
            if len(learning) < len(layers):
                self._bottom = _Bottom.read(model, self._tokens, learning[0])
        elif tune == "all":
            transformer.requires_grad_(True)
        else:
            raise ConfigError(f"encoder.tune={tune!r} is none of: none, lora, top:N, all")

    @classmethod
    def open(
        cls, model: TextModel, folder: Path, texts: Sequence[str], max_tokens: int, tune: str, rank: int
    ) -> "TextReader":
        """Tokenise the texts with the folder's tokenizer."""
        return cls(model, token_ids(read_tokenizer(folder), texts, max_tokens), tune, rank)

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._tokens)

    def parameters(self) -> list[nn.Parameter]:
        """What learns."""
        return [parameter for parameter in self._model.parameters() if parameter.requires_grad]

    def read(self, rows: Sequence[int], drop: float = 0.0) -> Tensor:
        """Unit vectors of some texts, float [rows, width].

        Args:
            rows: Which texts.
            drop: Share of their tokens that are left out.
        """
        kept = [kept_tokens(len(self._tokens[row]), drop) for row in rows]
        ids = _padded([self._tokens[row][places] for row, places in zip(rows, kept, strict=True)])
        mask = _padded([torch.ones_like(places) for places in kept])
        if self._bottom is None:
            vectors: Tensor = self._model(ids, mask)
            return vectors
        with self._bottom.given(self._model.transformer, rows, kept):
            vectors = self._model(ids, mask)
        return vectors

    @torch.no_grad()
    def read_first(self, count: int, what: str) -> NDArray[np.float32]:
        """Vectors of the first texts as they are read now, float32 [count, width]."""
        order = sorted(range(count), key=lambda row: len(self._tokens[row]))
        vectors = np.zeros((count, self._model.width), np.float32)
        with progress(what, total=len(order)) as shown:
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                vectors[rows] = self.read(rows).numpy()
                shown.advance(len(rows))
        return vectors

    def state(self) -> dict[str, Tensor]:
        """A copy of what learns."""
        named = self._model.named_parameters()
        return {name: weight.detach().clone() for name, weight in named if weight.requires_grad}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self._model.load_state_dict(state, strict=False)

    def finished(self) -> TextModel:
        """The language model with all it has learnt in its own weights, and nothing that learns."""
        if self._adapted:
            _merge_adapters(self._model)
        return self._model.requires_grad_(False).eval()


class _Bottom:
    """What the frozen lower layers say of each text, kept as float16: token states [tokens, width]."""

    def __init__(self, states: list[Tensor], first: nn.Module) -> None:
        self._states, self._first = states, first

    @classmethod
    @torch.no_grad()
    def read(cls, model: TextModel, tokens: Sequence[Tensor], first: nn.Module) -> "_Bottom":
        """Run all texts through the layers below `first`."""
        caught: list[Tensor] = []
        hook = first.register_forward_pre_hook(
            lambda _, inputs, named: caught.append(inputs[0] if inputs else named["hidden_states"]), with_kwargs=True
        )
        states = [torch.zeros(0)] * len(tokens)
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        with progress("Reading the frozen layers", total=len(order)) as shown:
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                model(_padded([tokens[row] for row in rows]), _padded([torch.ones_like(tokens[row]) for row in rows]))
                for row, found in zip(rows, caught.pop(), strict=True):
                    states[row] = found[: len(tokens[row])].half()
                shown.advance(len(rows))
        hook.remove()
        return cls(states, first)

    @contextmanager
    def given(self, transformer: nn.Module, rows: Sequence[int], places: Sequence[Tensor]) -> Iterator[None]:
        """Within, the model starts at its first learning layer, from these tokens of these texts."""
        kept = _padded([self._states[row][at] for row, at in zip(rows, places, strict=True)]).float()
        layers = layers_of(transformer)
        whole = dict(layers._modules)
        below = [name for name, layer in whole.items() if layer is self._first]
        config = _config(transformer)
        depth = config.num_hidden_layers

        def start(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
            return ((kept, *inputs[1:]), named) if inputs else ((), {**named, "hidden_states": kept})

        hook = self._first.register_forward_pre_hook(start, with_kwargs=True)
        first = list(whole).index(below[0])
        layers._modules = {str(i): layer for i, layer in enumerate(list(whole.values())[first:])}
        config.num_hidden_layers = depth - first
        try:
            yield
        finally:
            hook.remove()
            layers._modules = whole
            config.num_hidden_layers = depth


def _padded(rows: list[Tensor]) -> Tensor:
    """One tensor of rows of different lengths, zeros at the right."""
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _config(transformer: nn.Module) -> PretrainedConfig:
    config: PretrainedConfig = transformer.config
    return config


def _merge_adapters(model: nn.Module) -> None:
    """Add low-rank corrections to the layers they correct, and put those in their place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())
