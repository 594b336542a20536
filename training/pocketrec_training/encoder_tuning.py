"""The second stage: the language model itself learns from behaviour, together with tower and items."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from pocketrec.config import Config
from pocketrec.items import Item
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.pretrained import Pooling
from pocketrec_export.graphs.user import UserTower
from pocketrec_training.arithmetic import Arithmetic, computed_in
from pocketrec_training.augment.texts import varied_texts
from pocketrec_training.item_table import ItemTable
from pocketrec_training.lessons import Lessons
from pocketrec_training.text_reader import TextReader
from pocketrec_training.tower_training import Reading, TowerTrainingConfig, train_tower


class EncoderConfig(Config, frozen=True, kw_only=True):
    """Which language model reads, and how it learns."""

    folder: str = ""
    """Of a Hugging Face text model; empty for all-MiniLM-L6-v2."""
    pooling: Pooling | None = None
    """Overrides what the folder says."""
    max_tokens: Annotated[int, Meta(ge=4, le=512)] = 64
    """Longer texts are cut."""
    tune: Annotated[str, Meta(pattern=r"^(none|lora|all|top:[1-9]\d*)$")] = "none"
    """What learns: nothing, low-rank corrections (`lora`), the last N layers (`top:N`), or `all`."""
    rank: Annotated[int, Meta(ge=1)] = 16
    """Of the low-rank corrections."""
    rounds: Annotated[int, Meta(ge=1)] = 3
    """After each the catalogue is read anew, and validation says whether it got better."""
    steps: Annotated[int, Meta(ge=1)] = 100
    """Batches in a round."""
    rate: Annotated[float, Meta(gt=0)] = 5e-5
    """Peak learning rate of the language model; of tower and items a tenth of what they had."""
    texts: Annotated[int, Meta(ge=1)] = 256
    """Most items of a batch whose texts are read with gradients; the others keep the vectors of last time."""
    chunk: Annotated[int, Meta(ge=1)] = 256
    """Texts whose activations are held in memory at a time; a batch of more is read twice."""
    arithmetic: Arithmetic = "float32"
    """Of the language model while it learns; bfloat16 takes half the time on CPUs that multiply it, others take
    float32 all the same."""
    token_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of a text's tokens that are left out while it learns."""
    variants: Annotated[int, Meta(ge=0)] = 0
    """More ways to say each item: fields in another order, some left out."""
    field_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    """Share of the fields, but for titles, that a variant leaves out."""
    cold_share: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    """Share of items that lose their residual in each step, so that the text must say what behaviour knows."""


def tune_encoder(
    model: TextModel,
    folder: Path,
    items: Sequence[Item],
    template: TextTemplate,
    table: ItemTable,
    tower: UserTower,
    lessons: Lessons,
    config: EncoderConfig,
    training: TowerTrainingConfig,
    seed: int,
    checkpoint: Path | None,
) -> TextModel:
    """Tune the encoder on the loss of the first stage; table and tower end at the best epoch, too.

    Args:
        model: The language model; changed in place.
        folder: With its tokenizer.
        items: Of the catalogue.
        template: How they are said.
        table: Item vectors of the first stage; its text vectors follow the encoder.
        tower: Of the first stage.
        lessons: Histories, validation, requests.
        config: What learns and how.
        training: Of the first stage.
        seed: Of everything random.
        checkpoint: File to resume from, if it is there, and to write after each round.

    Returns:
        The tuned language model.
    """
    random = np.random.default_rng(seed)
    texts = [template.render(item) for item in items]
    for _ in range(config.variants):
        texts += varied_texts(items, template, config.field_dropout, random)
    reader = TextReader.open(model, folder, texts, config.max_tokens, config.tune, config.rank)
    second = msgspec.structs.replace(
        training,
        epochs=config.rounds,
        steps=config.steps,
        rate=training.rate * 0.1,
        cold_share=config.cold_share,
        request_weight=0.0,
    )
    reading = Reading(
        reader, config.rate, config.texts, config.chunk, config.token_dropout, computed_in(config.arithmetic)
    )
    train_tower(table, tower, lessons, second, seed, reading, checkpoint)
    return reader.finished()
