"""What a folder of sentence-transformers consists of, and which of that a text model can be without."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketrec.errors import ModelError
from pocketrec_export.graphs.pretrained import Pooling

MODULES = "modules.json"
FOLDER = "a sentence-transformers folder"
WRITTEN = (
    MODULES,
    "1_Pooling",
    "3_Dense",
    "config.json",
    "generation_config.json",
    "model*.safetensors*",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""What stands in a folder that we wrote; one that trained elsewhere has more."""

_POOLINGS: dict[str, Pooling] = {"cls": "first", "mean": "mean", "lasttoken": "last"}


@dataclass(frozen=True, slots=True)
class Module:
    """One step from a text to its vector."""

    kind: str
    """Name of its class."""
    folder: Path

    def config(self) -> dict[str, Any]:
        """Its config.json."""
        return read_json(self.folder / "config.json")


def read_modules(source: Path) -> list[Module]:
    """All modules, of which the first two are Transformer and Pooling.

    Raises:
        ModelError: They are not, one has code of its own, or modules.json can't be read.
    """
    if not (source / MODULES).is_file():
        raise ModelError(f"{source} is not {FOLDER}: it has no {MODULES}")
    modules = []
    try:
        for entry in json.loads((source / MODULES).read_bytes()):
            package, _, kind = entry["type"].rpartition(".")
            if package.partition(".")[0] != "sentence_transformers":
                raise ModelError(f"{source} has a module with code of its own, {entry['type']}: it is never run")
            modules.append(Module(kind, source / entry["path"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{source / MODULES} is not a list of modules with type and path ({error})") from None
    kinds = [module.kind for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise ModelError(f"{source} begins with {', '.join(kinds[:2]) or 'nothing'}, not with Transformer, Pooling")
    return modules


def pooling_of(module: Module) -> Pooling:
    """The one way in which a Pooling module pools.

    Raises:
        ModelError: It pools in several ways at once, or in one that a text model doesn't know.
    """
    config = module.config()
    stated = config.get("pooling_mode")
    if stated is None:  # the older form: a switch for each
        on = [key.removeprefix("pooling_mode_") for key, value in config.items() if "pooling_mode_" in key and value]
        stated = [name.removesuffix("_tokens").removesuffix("_token") for name in on]
    names = [stated] if isinstance(stated, str) else stated
    if len(names) != 1 or names[0] not in _POOLINGS:
        raise ModelError(
            f"{module.folder} pools by {' and '.join(names) or 'nothing'}; a text model pools by one of "
            f"{', '.join(_POOLINGS)}"
        )
    return _POOLINGS[names[0]]


def left_out_behind(modules: list[Module], without_dense: bool) -> Iterator[str]:
    """What stands behind the pooling and is left out, a piece at a time.

    Raises:
        ModelError: Something there changes vectors by more than their length.
    """
    for module in modules:
        if module.kind == "Dense":
            config = module.config()
            activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
            shape = f"{config.get('in_features')} -> {config.get('out_features')}, {activation}"
            if not without_dense:
                raise ModelError(
                    f"{module.folder} is a Dense layer ({shape}), for which a text model has no place: training learns "
                    "a projection of its own there; --without-dense leaves it out"
                )
            yield f"{module.folder.name} ({shape}): training learns a projection of its own there"
        elif module.kind == "Dropout":
            yield f"{module.folder.name}: it does nothing once training is over"
        elif module.kind != "Normalize":
            raise ModelError(f"{module.folder} is a {module.kind} layer, for which a text model has no place")
    if all(module.kind != "Normalize" for module in modules):
        yield "the length of vectors: a text model scales all to unit length"


def left_out_prompts(source: Path) -> Iterator[str]:
    """Prompts that stand before a text when they are asked for.

    Raises:
        ModelError: One always stands there, or vectors are cut short.
    """
    path = source / "config_sentence_transformers.json"
    config = read_json(path) if path.exists() else {}
    if config.get("truncate_dim") is not None:
        raise ModelError(
            f"{path} cuts vectors to {config['truncate_dim']} numbers, a text model doesn't: take truncate_dim out"
        )
    prompts = {name: text for name, text in (config.get("prompts") or {}).items() if text}
    default = config.get("default_prompt_name")
    if default in prompts:
        raise ModelError(
            f"{path} puts {prompts[default]!r} before every text, a text model doesn't: take default_prompt_name out"
        )
    if prompts:
        told = ", ".join(f"{name} {text!r}" for name, text in prompts.items())
        yield f"prompts ({told}): texts are read as they stand"


def read_json(path: Path) -> dict[str, Any]:
    """An object of a JSON file.

    Raises:
        ModelError: There is none.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"can't read {path}: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object")
    return content
