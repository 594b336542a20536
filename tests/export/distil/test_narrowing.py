"""Units that say nothing go first, and what is left is a model like any other."""

import pytest
import torch
from text_models import SHAPES

from pocketrec_export.distil.narrowing import narrow
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.layers import layers_of

TOKENS = [[5, 6, 7], [8, 9], [5, 10, 11, 12, 13]]


def vectors(model):
    with torch.inference_mode():
        return torch.cat([model(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long)) for ids in TOKENS])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_of_each_shape_is_narrower_and_opens_again(shape, tmp_path):
    model = TextModel.open(SHAPES[shape].write(tmp_path / "whole", noise=0.2)).eval()
    weights, before = sum(part.numel() for part in model.parameters()), vectors(model)
    narrow(model, 0.5, TOKENS)
    fewer = sum(part.numel() for part in model.parameters())
    if shape == "mobilebert":  # several blocks in a layer: it stays whole
        assert fewer == weights
        assert torch.equal(vectors(model), before)
        return
    assert fewer < weights
    assert not torch.allclose(vectors(model), before, atol=1e-3)
    model.transformer.save_pretrained(tmp_path / "narrow")
    again = type(model.transformer).from_pretrained(tmp_path / "narrow")
    assert torch.allclose(vectors(TextModel(again, model.pooling).eval()), vectors(model), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "down"), [("bert", "output.dense"), ("gpt2", "mlp.c_proj"), ("qwen2", "mlp.down_proj")]
)
def test_units_that_nobody_hears_go_first(shape, down, tmp_path):
    model = TextModel.open(SHAPES[shape].write(tmp_path, noise=0.2)).eval()
    for layer in layers_of(model.transformer):
        weight = layer.get_submodule(down).weight
        units = weight if shape == "gpt2" else weight.T
        with torch.no_grad():
            units[torch.randperm(len(units), generator=torch.Generator().manual_seed(0))[: len(units) // 2]] = 0
    before = vectors(model)
    narrow(model, 0.5, TOKENS)
    assert torch.allclose(vectors(model), before, atol=1e-5)


def test_all_units_stay_where_all_are_wanted(tmp_path):
    model = TextModel.open(SHAPES["bert"].write(tmp_path)).eval()
    layers = [id(part) for part in layers_of(model.transformer).modules()]
    narrow(model, 1.0, TOKENS)
    assert [id(part) for part in layers_of(model.transformer).modules()] == layers
