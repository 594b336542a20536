"""Hugging Face folders: what lies in them, loaded as one net; anything but a text model is told in one line."""

import json
from pathlib import Path
from typing import Literal

import msgspec
import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from pocketrec.errors import ModelError
from pocketrec_export.graphs import static  # noqa: F401  # makes its kind known to transformers

Pooling = Literal["mean", "first", "last"]
"""How token states become one vector: their mean, the first ("CLS"), or the last."""
SUPPORTED = (
    "supported are encoders such as BERT, MobileBERT, DistilBERT, MPNet and XLM-RoBERTa, and decoders such as GPT-2, "
    "Qwen and Llama"
)
_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "first", "lasttoken": "last"}
"""Names that sentence-transformers writes."""


def load_transformer(folder: Path) -> nn.Module:
    """The net of a Hugging Face folder, in eval mode, with float32 weights and without a cache of keys and values.

    Attention is "eager", whose graph onnxruntime can fuse. Code that lies in the folder is never run.

    Raises:
        ModelError: The folder can't be read, holds no text model, or lacks some of its weights.
    """
    config = read_config(folder)
    try:
        transformer, report = AutoModel.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(f"{folder} can't be read as a text model: {_first_line(error)}; {SUPPORTED}") from None
    # Poolers, heads on top of the token states, are often left out, and never used here.
    missing = [name for name in report["missing_keys"] if "pooler" not in name]
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} weights of a {config.model_type} model, such as {missing[0]}")
    if config.model_type == "mobilebert":
        # Each token reads its neighbours' embeddings: padding must read as nothing, like what lies beyond a text's end.
        transformer.get_input_embeddings().weight.data[config.pad_token_id] = 0
    loaded: nn.Module = transformer.eval()
    return loaded


def read_config(folder: Path) -> PretrainedConfig:
    """config.json of a text model.

    Raises:
        ModelError: The file can't be read, or is that of another kind of model.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a Hugging Face folder: it holds no config.json")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder}/config.json can't be read: {_first_line(error)}; {SUPPORTED}") from None
    if config.is_encoder_decoder:
        raise ModelError(f"{folder} holds an encoder-decoder ({config.model_type}); {SUPPORTED}")
    config.use_cache = False
    return config


def is_causal(config: PretrainedConfig) -> bool:
    """Whether a token sees only those before it: a decoder."""
    kind = config.model_type
    return config.is_decoder or (
        kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )


def stated_pooling(folder: Path) -> Pooling:
    """Pooling that a folder asks for: its sentence-transformers file, else `last` for decoders, else `mean`.

    Raises:
        ModelError: The folder is no text model's, or asks for another pooling.
    """
    stated = folder / "1_Pooling" / "config.json"
    if not stated.exists():
        return "last" if is_causal(read_config(folder)) else "mean"
    try:
        modes = msgspec.json.decode(stated.read_bytes(), type=dict[str, object])
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{stated} can't be read: {error}") from None
    named = modes.get("pooling_mode")
    asked = named if isinstance(named, list) else [named] if named else _switched_on(modes)
    if len(asked) != 1 or asked[0] not in _POOLINGS:
        raise ModelError(
            f"{stated} asks for pooling {' + '.join(map(str, asked)) or 'none'}: supported are one of "
            f"{', '.join(_POOLINGS)}; name it with --set encoder.pooling=mean, first or last"
        )
    return _POOLINGS[asked[0]]


def write_pooling(folder: Path, pooling: Pooling, width: int) -> None:
    """State a folder's pooling, as `stated_pooling` and sentence-transformers read it."""
    names = {ours: theirs for theirs, ours in _POOLINGS.items()}
    stated = folder / "1_Pooling" / "config.json"
    stated.parent.mkdir(exist_ok=True)
    stated.write_text(json.dumps({"word_embedding_dimension": width, "pooling_mode": names[pooling]}, indent=2) + "\n")


def _switched_on(modes: dict[str, object]) -> list[str]:
    """The older form: a switch for each mode."""
    names = [name.removeprefix("pooling_mode_") for name, on in modes.items() if on and name.startswith("pooling_mode")]
    return [name.removesuffix("_tokens").removesuffix("_token") for name in names]


def _first_line(error: Exception) -> str:
    """The rest of what transformers says is advice on installing it."""
    return (str(error).splitlines() or [type(error).__name__])[0]
