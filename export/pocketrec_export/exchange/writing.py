"""Write a text model as a folder that sentence-transformers opens, and that `train` takes as an encoder.

modules.json                        what follows what
config.json, model.safetensors      the language model
tokenizer.json                      as it stands; tokenizer_config.json only says how to cut and pad
sentence_bert_config.json           tokens that are read
1_Pooling/config.json               how token states become one vector
2_Normalize                         no file
3_Dense, 4_Normalize                the projection of a trained model
"""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from pocketrec.errors import ModelError
from pocketrec.staging import check_replaceable, staged_folder
from pocketrec_export.exchange.modules import FOLDER, MODULES, WRITTEN
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.pretrained import Pooling
from pocketrec_export.graphs.static import StaticEmbedding
from pocketrec_export.model import Model

_MODES: dict[Pooling, str] = {
    "first": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "last": "pooling_mode_lasttoken",
}
_PADDING = ("[PAD]", "<pad>")


def export_encoder(model: Path, out: Path) -> Model:
    """Write a model's encoder, projection and all, for sentence-transformers.

    `SentenceTransformer(out).encode(texts)` then gives the encoder's vectors; the runtime's `encode` only brings white
    space and accents of a text into one form first.

    Args:
        model: Folder that `train` wrote.
        out: Folder to write; an older one of its kind is replaced.

    Returns:
        The model.

    Raises:
        ModelError: The model can't be read, its encoder is static, or its tokenizer has no token to pad with.
        DataError: Something else lies at `out`.
    """
    check_replaceable(out, FOLDER + " that `pocketrec model` wrote", WRITTEN)
    loaded = Model.load(model)
    if isinstance(loaded.encoder.text_model.transformer, StaticEmbedding):
        raise ModelError(f"{model} has a static encoder, which sentence-transformers can't open: export its teacher")
    tokenizer = Tokenizer.from_file(str(loaded.encoder_folder / "tokenizer.json"))
    with staged_folder(out) as aside:
        write_text_model(aside, loaded.encoder.text_model, tokenizer, loaded.card.max_tokens, loaded.encoder.projection)
    return loaded


def write_text_model(
    folder: Path, model: TextModel, tokenizer: Tokenizer, max_tokens: int, projection: nn.Linear | None = None
) -> None:
    """Write all files.

    Args:
        folder: Empty folder.
        model: Language model and pooling.
        tokenizer: Of the language model.
        max_tokens: Longer texts are cut.
        projection: Stands behind the pooled unit vectors, and is followed by another scaling to unit length.

    Raises:
        ModelError: The tokenizer has no token to pad with.
    """
    padding = _padding_token(tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model.transformer.save_pretrained(folder)  # type: ignore[operator]
    tokenizer.save(str(folder / "tokenizer.json"))
    # The plain class reads tokenizer.json as it stands; classes of single models rewrite parts of it.
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": max_tokens,
            "pad_token": padding,
            "padding_side": "right",
            "truncation_side": "right",
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
        },
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    pooling = {"word_embedding_dimension": model.width}
    _write_module(folder, "1_Pooling", pooling | {mode: kind == model.pooling for kind, mode in _MODES.items()})
    modules = ["Transformer", "Pooling", "Normalize"]
    if projection is not None:
        dense = {
            "in_features": projection.in_features,
            "out_features": projection.out_features,
            "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
        _write_module(folder, "3_Dense", dense)
        weights = {f"linear.{name}": value.detach().contiguous() for name, value in projection.state_dict().items()}
        save_file(weights, folder / "3_Dense" / "model.safetensors")
        modules += ["Dense", "Normalize"]
    _write(
        folder / MODULES,
        [
            {
                "idx": place,
                "name": str(place),
                "path": f"{place}_{name}" if place else "",
                "type": f"sentence_transformers.models.{name}",
            }
            for place, name in enumerate(modules)
        ],
    )


def _padding_token(tokenizer: Tokenizer) -> str:
    """A token that the tokenizer never makes of a text, if it has one; padding is masked, whichever it is."""
    special = [token.content for _, token in sorted(tokenizer.get_added_tokens_decoder().items()) if token.special]
    named = [name for name in ((tokenizer.padding or {}).get("pad_token"), *_PADDING) if name]
    known = [name for name in named if tokenizer.token_to_id(name) is not None]
    found: list[str] = [*(name for name in known if name in special), *special, *known]
    if not found:
        raise ModelError("the tokenizer has no special token, and sentence-transformers needs one to pad with")
    return found[0]


def _write_module(folder: Path, name: str, config: dict[str, Any]) -> None:
    (folder / name).mkdir()
    _write(folder / name / "config.json", config)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
