"""Read a folder of sentence-transformers as a text model: a transformer, one pooling, vectors of unit length.

What the folder has beside that is left out, and told, where `SentenceTransformer(folder).encode(text)` gives the same
vectors without it, but for their length. Anything else is refused.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pocketrec.errors import ModelError
from pocketrec.staging import check_replaceable, staged_folder
from pocketrec_export.exchange.modules import (
    FOLDER,
    WRITTEN,
    left_out_behind,
    left_out_prompts,
    pooling_of,
    read_json,
    read_modules,
)
from pocketrec_export.exchange.writing import write_text_model
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.pretrained import Pooling

_PLAIN = {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}
"""Settings of a transformer that can only be so."""
_READ = ("max_seq_length", "do_lower_case", "modality_config", "unpad_inputs", *_PLAIN)


@dataclass(frozen=True, slots=True)
class Imported:
    """A text model that was taken over."""

    pooling: Pooling
    max_tokens: int
    """Tokens that it reads."""
    width: int
    """Length of its vectors."""
    left_out: tuple[str, ...]
    """What the folder has beside, in words."""


def import_encoder(source: Path, out: Path, without_dense: bool = False) -> Imported:
    """Turn a folder of sentence-transformers into one that `train` takes as `encoder`.

    Args:
        source: Folder with modules.json.
        out: Folder to write; an older one of its kind is replaced.
        without_dense: Leave Dense layers out. They are refused otherwise: training starts from the pooled vectors with
            a projection of its own, and what such a layer has learnt would be lost without a word.

    Raises:
        ModelError: The folder can't be read, or holds what a text model can't.
        DataError: Something else lies at `out`.
    """
    check_replaceable(out, FOLDER + " that `pocketrec model` wrote", WRITTEN)
    modules = read_modules(source)
    folder, pooling = modules[0].folder, pooling_of(modules[1])
    left_out = (*left_out_behind(modules[2:], without_dense), *left_out_prompts(source))
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"{folder} holds an adapter: merge it into its model, and save that")
    settings = _settings(folder)
    model, tokenizer = TextModel.open(folder, pooling), _tokenizer(folder)
    max_tokens = settings.get("max_seq_length") or min(
        tokenizer.model_max_length, getattr(model.transformer.config, "max_position_embeddings", 1 << 30)
    )
    reader = tokenizer.backend_tokenizer
    if settings.get("do_lower_case"):
        own = [] if reader.normalizer is None else [reader.normalizer]
        reader.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    with staged_folder(out) as aside:
        write_text_model(aside, model, reader, max_tokens)
    return Imported(pooling, max_tokens, model.width, left_out)


def _settings(folder: Path) -> dict[str, Any]:
    """sentence_bert_config.json, whose name used to tell the model."""
    found = sorted(folder.glob("sentence_*_config.json"))
    settings = read_json(found[0]) if found else {}
    for name, value in settings.items():
        if value != _PLAIN.get(name, value) or (value and name not in _READ):
            raise ModelError(f"{found[0]} sets {name} to {value!r}, for which a text model has no place")
    return settings


def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """As sentence-transformers reads it: the class that the folder names may add to tokenizer.json."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each class fails in its own way
        raise ModelError(f"the tokenizer in {folder} can't be read: {error}") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"the tokenizer in {folder} has no form that the tokenizers package reads")
    if tokenizer.truncation_side != "right":
        raise ModelError(f"{folder} cuts long texts at the left; a text model cuts at the right")
    return tokenizer
