"""A vocabulary cut to one domain: its own texts give the same tokens as before, others may give shorter ones."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer
from torch import nn

from pocketrec.errors import ModelError

_UNUSED = re.compile(r"\[unused\d+\]")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_MARKS = ("##", "▁", "Ġ")
"""What WordPiece, SentencePiece and byte-level BPE put before a piece: "##s" is one letter."""
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "unk_token_id", "mask_token_id")


@dataclass(frozen=True, slots=True)
class Pruned:
    """A smaller tokenizer and what became of the tokens."""

    tokenizer: Tokenizer
    kept: list[int]
    """The old id of each new one."""

    def shrink(self, transformer: nn.Module) -> None:
        """Leave a Hugging Face model the rows of the kept tokens alone, in place.

        Raises:
            ModelError: The model has fewer tokens than the tokenizer.
        """
        old = transformer.get_input_embeddings()  # type: ignore[operator]
        if self.kept[-1] >= old.num_embeddings:
            raise ModelError(
                f"the tokenizer has token {self.kept[-1]}, the model {old.num_embeddings}: they don't belong together"
            )
        new_id = {token: number for number, token in enumerate(self.kept)}
        new = nn.Embedding(len(self.kept), old.embedding_dim, padding_idx=new_id.get(old.padding_idx))
        new.weight = nn.Parameter(old.weight.detach()[torch.tensor(self.kept)].clone())
        transformer.set_input_embeddings(new)  # type: ignore[operator]
        config: Any = transformer.config
        config.vocab_size = len(self.kept)
        for name in _IDS:
            value = getattr(config, name, None)
            if isinstance(value, list):
                setattr(config, name, [new_id[token] for token in value if token in new_id])
            elif value is not None:
                setattr(config, name, new_id.get(value))


def prune(tokenizer: Tokenizer, used: Collection[int], general_share: float) -> Pruned:
    """Keep the tokens in use, all special and one-letter ones, and a share of the others, the most frequent first.

    Vocabularies are in the order of frequency, but for their first entries.

    Args:
        tokenizer: With a WordPiece, BPE or Unigram vocabulary.
        used: Tokens of the domain's texts.
        general_share: Of the tokens that nothing else keeps.

    Raises:
        ModelError: The vocabulary is of another kind.
    """
    tree = json.loads(tokenizer.to_str())
    model = tree["model"]
    if model["type"] not in ("WordPiece", "BPE", "Unigram"):
        raise ModelError(
            f"a {model['type']} vocabulary can't be pruned: set prune_vocabulary=[], or with export "
            "student.prune_vocabulary=[]"
        )
    token_of = {number: token for token, number in tokenizer.get_vocab().items()}
    added = {entry["id"] for entry in tree["added_tokens"]}
    basic = {number for number, token in token_of.items() if _is_basic(token)} | added
    if model.get("unk_id") is not None:
        basic.add(model["unk_id"])
    others = [
        number
        for number, token in sorted(token_of.items())
        if number not in basic and number not in used and not _UNUSED.fullmatch(token)
    ]
    kept = basic | set(used) | set(others[: round(general_share * len(others))])
    if model["type"] == "BPE":
        merges = [_Merge.of(pair, model.get("continuing_subword_prefix") or "") for pair in model["merges"]]
        kept |= {tokenizer.token_to_id(part) for part in _parts(merges, {token_of[number] for number in kept})}
    order = sorted(kept)
    new_id = {old: new for new, old in enumerate(order)}
    words = {token_of[number] for number in order}
    if model["type"] == "Unigram":
        model["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if number in new_id]
        model["unk_id"] = new_id.get(model["unk_id"])
    else:
        model["vocab"] = {token: new_id[old] for token, old in model["vocab"].items() if old in new_id}
    if model["type"] == "BPE":
        model["merges"] = [[merge.left, merge.right] for merge in merges if set(merge) <= words]
    tree["added_tokens"] = [{**entry, "id": new_id[entry["id"]]} for entry in tree["added_tokens"]]
    tree["post_processor"] = _renumbered(tree["post_processor"], new_id)
    if tree["padding"]:
        tree["padding"]["pad_id"] = new_id.get(tree["padding"]["pad_id"], 0)
    return Pruned(Tokenizer.from_str(json.dumps(tree)), order)


def _is_basic(token: str) -> bool:
    """One letter, one byte, or the unknown: whatever could be read stays readable."""
    for mark in _MARKS:
        if token != mark:
            token = token.removeprefix(mark)
    return len(token) == 1 or bool(_BYTE.fullmatch(token)) or token in ("[UNK]", "<unk>")


class _Merge(NamedTuple):
    """One rule of byte-pair encoding."""

    left: str
    right: str
    made: str

    @classmethod
    def of(cls, pair: str | list[str], prefix: str) -> "_Merge":
        """Older files hold "a b", newer ones ["a", "b"]; `prefix` marks pieces that continue a word."""
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        return cls(left, right, left + right.removeprefix(prefix))


def _parts(merges: list[_Merge], wanted: set[str]) -> set[str]:
    """All pieces from which merges put the wanted tokens together, and the tokens themselves."""
    makers: dict[str, list[_Merge]] = {}
    for merge in merges:
        makers.setdefault(merge.made, []).append(merge)
    found, open_ends = set(wanted), list(wanted)
    while open_ends:
        for merge in makers.get(open_ends.pop(), ()):
            fresh = {merge.left, merge.right} - found
            found |= fresh
            open_ends += fresh
    return found


def _renumbered(processor: Any, new_id: dict[int, int]) -> Any:  # noqa: ANN401  # JSON
    """A post-processor with new ids, in whichever of the four forms it has."""
    if isinstance(processor, list):
        if len(processor) == 2 and isinstance(processor[0], str) and isinstance(processor[1], int):
            return [processor[0], new_id[processor[1]]]  # "cls": ["[CLS]", 101]
        return [_renumbered(part, new_id) for part in processor]
    if isinstance(processor, dict):
        return {
            key: [new_id[number] for number in value] if key == "ids" else _renumbered(value, new_id)
            for key, value in processor.items()
        }
    return processor
