"""Fixtures of what is exported."""

import dataclasses

import pytest


@pytest.fixture(scope="session")
def teacher(toy_model, tmp_path_factory):
    """Folder of a model whose encoder has four layers that all matter."""
    from text_models import SHAPES
    from torch import nn

    from pocketrec_export.graphs.encoder import Encoder, TextModel
    from pocketrec_export.model import Model

    place = tmp_path_factory.mktemp("teacher")
    text_model = TextModel.open(SHAPES["bert"].write(place / "encoder", noise=0.2, num_hidden_layers=4))
    model = Model.load(toy_model)
    encoder = Encoder(text_model, nn.Linear(text_model.width, model.card.dim))
    dataclasses.replace(model, encoder=encoder, encoder_folder=place / "encoder").save(place / "model")
    return place / "model"
