"""Fixtures of what is exported."""

import dataclasses

import pytest


@pytest.fixture(scope="session")
def model_of_shape(toy_model, tmp_path_factory):
    """Makes the folder of a model whose encoder is of a family; all of its layers matter."""
    import torch
    from msgspec.structs import replace
    from text_models import SHAPES
    from torch import nn

    from pocketrec_export.graphs.encoder import Encoder, TextModel
    from pocketrec_export.model import Model

    def make(shape, **changes):
        place = tmp_path_factory.mktemp(shape)
        text_model = TextModel.open(SHAPES[shape].write(place / "encoder", noise=0.2, **changes))
        model = Model.load(toy_model)
        torch.manual_seed(0)
        encoder = Encoder(text_model, nn.Linear(text_model.width, model.card.dim))
        card = replace(model.card, pooling=text_model.pooling)
        dataclasses.replace(model, card=card, encoder=encoder, encoder_folder=place / "encoder").save(place / "model")
        return place / "model"

    return make


@pytest.fixture(scope="session")
def teacher(model_of_shape):
    """Folder of a model whose encoder has four layers and no more positions than texts need."""
    return model_of_shape("bert", num_hidden_layers=4, max_position_embeddings=80)
