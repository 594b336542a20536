"""Give a model a small encoder in place of its large one, for its own domain's texts; all else of it stays."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from pocketrec.config import Config
from pocketrec.errors import DataError
from pocketrec.staging import check_replaceable
from pocketrec_export.distil.imitation import ImitationConfig, Lesson, cosine, imitate
from pocketrec_export.distil.narrowing import narrow
from pocketrec_export.distil.replacement import on_axes, with_student
from pocketrec_export.distil.static import principal_axes, static_student
from pocketrec_export.distil.student import shallower
from pocketrec_export.distil.texts import DomainTexts
from pocketrec_export.distil.vocabulary import prune
from pocketrec_export.graphs.encoder import Encoder, TextModel
from pocketrec_export.graphs.pretrained import write_pooling
from pocketrec_export.model import CONTENTS, Model
from pocketrec_export.text_vectors import text_vectors
from pocketrec_export.tokenizer import FILE as TOKENIZER
from pocketrec_export.tokenizer import read_tokenizer, token_ids

CARD = "distilled.json"
_JUDGES = 500
"""Texts that say which units of a student stay."""
Size = Literal["small", "tiny", "nano"]
"""`small` and `tiny` have fewer of the teacher's layers, and narrower ones; `nano` is a static table."""


class ShallowConfig(ImitationConfig, frozen=True, kw_only=True):
    """A student with fewer layers, and narrower ones."""

    layers: Annotated[int, Meta(ge=1)]
    """Of the teacher's, spread evenly over its depth."""
    hidden_share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Share of the units of feed-forward layers that stays (`pocketrec_export.distil.narrowing`)."""
    epochs: Annotated[int, Meta(ge=1)] = 3
    rate: Annotated[float, Meta(gt=0)] = 2e-4


class NanoConfig(ImitationConfig, frozen=True, kw_only=True):
    """A static table."""

    width: Annotated[int, Meta(ge=2)] = 256
    """Length of its vectors, at most the teacher's."""
    epochs: Annotated[int, Meta(ge=1)] = 10
    batch: Annotated[int, Meta(ge=1)] = 128
    rate: Annotated[float, Meta(gt=0)] = 5e-3


class DistilConfig(Config, frozen=True, kw_only=True):
    """Everything that distillation can be told, but for the student's size."""

    prune_vocabulary: tuple[Size, ...] = ()
    """Sizes of which only the tokens that the domain needs stay."""
    general_share: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Share of all other tokens that stays, the most frequent first."""
    texts: Annotated[int, Meta(ge=1)] = 50_000
    """Most texts to learn from."""
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    """Share of the items whose texts aren't learnt from: they show what the student is worth."""
    small: ShallowConfig = ShallowConfig(layers=4, hidden_share=2 / 3, epochs=6)
    tiny: ShallowConfig = ShallowConfig(layers=2, hidden_share=0.5, epochs=6)
    nano: NanoConfig = NanoConfig()


class Distilled(Config, frozen=True, kw_only=True):
    """distilled.json: where a student comes from, and how near it is to its teacher."""

    teacher: str
    """Name of the teacher's language model."""
    dataset: str
    size: Size
    config: DistilConfig
    seed: int
    learnt: int
    """Texts that it learnt from."""
    held_out: int
    """Texts that it is judged by."""
    teacher_weights: int
    weights: int
    untrained: float
    """Mean cosine to the teacher on held-out texts before it learnt anything."""
    cosine: float
    """The same at the end."""


def distil(model: Path, out: Path, size: Size, config: DistilConfig, seed: int = 0) -> Distilled:
    """Make a student of a model's encoder and write the model with it in place of the teacher.

    Items that somebody took keep their vectors; queries, contexts and new items are read by the student. No
    interaction is read. `export` takes the new model like any other, `train` its `encoder/`.

    Args:
        model: Folder that `train` wrote; its items' texts are what the student learns.
        out: Folder of the new model.
        size: Of the student.
        config: Its shape and training.
        seed: Of everything random.

    Raises:
        DataError: Something else lies at `out`, or the model has too few texts.
        ModelError: The model is missing, or too small for the student.
    """
    check_replaceable(out, "a model", CONTENTS)
    if out.resolve() == model.resolve():
        raise DataError(f"{out} is the teacher itself; name a new folder")
    whole, folder = Model.load(model), model / "encoder"
    card, teacher = whole.card, whole.encoder.text_model
    texts = DomainTexts.of(whole.items, card.template, config.held_out, config.texts, seed)
    if len(texts.learn) < 2 or not texts.held_out:
        raise DataError(f"{card.name} has {len(texts.learn)} texts to learn from: too few for a student")
    weights, tokenizer = _weights(teacher), read_tokenizer(folder)
    if size in config.prune_vocabulary:
        used = {token for ids in token_ids(tokenizer, texts.learn, card.max_tokens) for token in ids}
        pruned = prune(tokenizer, used, config.general_share)
        tokenizer = pruned.tokenizer
        pruned.shrink(teacher.transformer)

    def ask(part: list[str]) -> Tensor:
        """The teacher as it lies in its folder, with its whole vocabulary."""
        return torch.from_numpy(text_vectors(part, folder, card.pooling, card.max_tokens, "Asking the teacher"))

    tokens = token_ids(tokenizer, texts.learn, card.max_tokens)
    if size != "nano":
        shape = config.small if size == "small" else config.tiny
        student, axes = shallower(teacher, shape.layers), torch.eye(teacher.width)
        narrow(student, shape.hidden_share, tokens[:_JUDGES])
    else:
        axes = principal_axes(ask(texts.learn), min(config.nano.width, teacher.width))
        counts = np.bincount(np.concatenate(tokens), minlength=int(teacher.config.vocab_size))
        student = static_student(teacher, tokenizer, axes, counts)
    lesson = Lesson(tokens, ask(texts.learn) @ axes)
    judge = Lesson(token_ids(tokenizer, texts.held_out, card.max_tokens), ask(texts.held_out) @ axes)
    untrained = cosine(student, judge)
    way: ImitationConfig = {"small": config.small, "tiny": config.tiny, "nano": config.nano}[size]
    imitate(student, lesson, way, seed)
    distilled = Distilled(
        teacher=card.encoder,
        dataset=card.dataset,
        size=size,
        config=config,
        seed=seed,
        learnt=len(texts.learn),
        held_out=len(texts.held_out),
        teacher_weights=weights,
        weights=_weights(student),
        untrained=untrained,
        cosine=cosine(student, judge),
    )
    with tempfile.TemporaryDirectory(prefix="pocketrec-distil-") as name:
        aside = Path(name) / "encoder"
        student.transformer.save_pretrained(aside)  # type: ignore[operator]
        tokenizer.no_truncation()
        tokenizer.save(str(aside / TOKENIZER))
        write_pooling(aside, student.pooling, student.width)
        (aside / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(distilled), indent=2) + b"\n")
        encoder = Encoder(student, on_axes(whole.encoder.projection, axes))
        with_student(whole, encoder, aside, f"{card.encoder}-{size}").save(out)
    return distilled


def _weights(model: TextModel) -> int:
    return sum(part.numel() for part in model.parameters())
