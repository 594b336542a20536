"""A model with a student in its encoder's place."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pocketrec.newcomers import settled
from pocketrec_export.graphs.encoder import Encoder
from pocketrec_export.model import Model
from pocketrec_export.text_vectors import encode_texts


def on_axes(projection: nn.Linear, axes: Tensor) -> nn.Linear:
    """A projection for vectors that are given on other axes.

    Args:
        projection: From width to dim.
        axes: Float [width, width of the student], orthonormal columns.
    """
    other = nn.Linear(axes.shape[1], projection.out_features)
    with torch.no_grad():
        other.weight.copy_(projection.weight @ axes)
        other.bias.copy_(projection.bias)
    return other.requires_grad_(False)


@torch.inference_mode()
def with_student(model: Model, encoder: Encoder, folder: Path, name: str) -> Model:
    """Put the student there.

    What behaviour taught stays: vectors of items that somebody took, user tower, neighbours, scorer. Items that have
    only their text stand where the student reads them.

    Args:
        model: With the teacher.
        encoder: The student, with a projection into the space of the model's items.
        folder: The student's own files.
        name: Of the student.
    """
    card = model.card
    texts = [card.template.render(item) for item in model.items]
    text_vectors = encode_texts(texts, encoder.text_model, folder, card.max_tokens, "Reading items")
    read = F.normalize(encoder.projection(torch.from_numpy(text_vectors)), dim=-1).numpy()
    taught, known = model.residual.any(axis=1, keepdims=True), model.popularity > 0
    vectors = np.where(taught, model.vectors, read)
    vectors[~known] = settled(vectors[~known], vectors, known, card.newcomer_length)
    residual = np.where(taught, vectors - read, 0).astype(np.float32)
    # How well contexts are read isn't known of the student.
    validation = {key: value for key, value in card.validation.items() if "/context/" not in key}
    return dataclasses.replace(
        model,
        card=msgspec.structs.replace(card, encoder=name, pooling=encoder.text_model.pooling, validation=validation),
        encoder=encoder.eval(),
        encoder_folder=folder,
        vectors=vectors,
        residual=residual,
    )
