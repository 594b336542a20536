"""Sizes of a bundle: with the encoder as it was trained, or with a student of it.

`base` ships the model's own encoder. `small` has four of its layers, narrower, `tiny` two and a vocabulary cut to the
domain, `nano` a static table of token vectors. API, index and all that behaviour taught are the same in each.
"""

from pathlib import Path
from typing import Literal

from pocketrec_export.distil.distillation import DistilConfig, distil
from pocketrec_export.model import Model

BundleSize = Literal["base", "small", "tiny", "nano"]


def takes_student(model: Model, size: BundleSize, config: DistilConfig) -> bool:
    """Whether a size has another encoder than the model's own, which is `small` where it has few enough layers."""
    depth = getattr(model.encoder.text_model.config, "num_hidden_layers", 0)  # a static encoder has none
    return size in ("tiny", "nano") or (size == "small" and depth > config.small.layers)


def model_of_size(model: Model, folder: Path, size: BundleSize, config: DistilConfig, work: Path, seed: int) -> Model:
    """The model itself, or one with a student in its encoder's place.

    Args:
        model: As it was trained.
        folder: Where it lies.
        size: Of the encoder.
        config: Of the students.
        work: Folder for the student.
        seed: Of its training.

    Raises:
        DataError: The model has too few texts to learn from.
        ModelError: Its encoder has too few layers for a `tiny` one.
    """
    if size == "base" or not takes_student(model, size, config):
        return model
    distil(folder, work / "student", size, config, seed)
    return Model.load(work / "student")
