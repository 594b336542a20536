"""The language model learns from the tower: from the next item, together with tower and items trained before."""

from pathlib import Path

import msgspec

from pocketrec_export.graphs.user import UserTower
from pocketrec_training.encoder.reading import EncoderConfig, Reading
from pocketrec_training.tower.item_table import ItemTable
from pocketrec_training.tower.lessons import Lessons
from pocketrec_training.tower.training import TowerTrainingConfig, train_tower


def tune_by_tower(
    reading: Reading,
    table: ItemTable,
    tower: UserTower,
    lessons: Lessons,
    config: EncoderConfig,
    training: TowerTrainingConfig,
    seed: int,
    checkpoint: Path | None,
) -> None:
    """Tune the encoder on the loss of the first stage; table, tower and encoder end at the best epoch.

    Args:
        reading: The encoder.
        table: Item vectors of the first stage; its text vectors follow the encoder.
        tower: Of the first stage.
        lessons: Histories, validation, requests.
        config: What learns and how.
        training: Of the first stage.
        seed: Of everything random.
        checkpoint: File to resume from, if it is there, and to write after each round.
    """
    second = msgspec.structs.replace(
        training,
        epochs=config.rounds,
        steps=config.steps,
        rate=training.rate * 0.1,
        cold_share=config.cold_share,
        request_weight=0.0,
    )
    train_tower(table, tower, lessons, second, seed, reading, checkpoint)
