"""A language model that learns from behaviour: its parts, and the whole."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from text_models import SHAPES

from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.layers import layers_of
from pocketrec_export.model import Model
from pocketrec_export.text_vectors import encode_texts
from pocketrec_training.encoder.gradient_cache import GradientCache
from pocketrec_training.encoder.text_reader import TextReader
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.train import fit_model, train

TEXTS = ["red wool scarf", "blue", "green cotton scarf with a very long name", "red silk", "blue wool hat", "hat"]


def reader(folder, tune):
    return TextReader.open(TextModel.open(folder), folder, TEXTS, 16, tune, rank=4)


def test_the_cached_gradient_is_the_plain_one_whatever_the_chunk():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3))
    inputs = torch.randn(11, 5)

    def read(rows):
        return net(inputs[list(rows)])

    def gradients(chunk):
        net.zero_grad()
        torch.manual_seed(1)
        cached = GradientCache(read, range(11), chunk)
        (cached.vectors @ cached.vectors.T).softmax(dim=1).diagonal().log().sum().backward()
        cached.backward()
        return [weight.grad.clone() for weight in net.parameters()]

    def plain():  # the same dropout masks, chunk by chunk, with all activations held
        net.zero_grad()
        torch.manual_seed(1)
        vectors = torch.cat([read(range(start, min(start + 4, 11))) for start in (0, 4, 8)])
        (vectors @ vectors.T).softmax(dim=1).diagonal().log().sum().backward()
        return [weight.grad.clone() for weight in net.parameters()]

    for mine, other in zip(gradients(4), plain(), strict=True):
        assert torch.allclose(mine, other, atol=1e-6)
    net.eval()
    for mine, other in zip(gradients(2), gradients(11), strict=True):
        assert torch.allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("tune", ["all", "lora", "top:1", "top:2"])
def test_before_a_step_the_vectors_are_those_of_the_frozen_model(toy_encoder, tune):
    frozen = encode_texts(TEXTS, TextModel.open(toy_encoder), toy_encoder, 16, "Reading")
    read = reader(toy_encoder, tune).read(range(len(TEXTS))).detach().numpy()
    assert np.abs(read - frozen).max() < (2e-3 if tune == "top:1" else 1e-5)  # lower layers are kept as float16


@pytest.mark.parametrize("tune", ["top:1", "lora"])
@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_kind_of_language_model_can_be_tuned(name, tune, tmp_path):
    folder = SHAPES[name].write(tmp_path / name)
    texts = ["wool hat", "a", "the red wool scarf of many words"]
    frozen = encode_texts(texts, TextModel.open(folder), folder, 16, "Reading")
    tuned = TextReader.open(TextModel.open(folder), folder, texts, 16, tune, rank=4)
    assert np.abs(tuned.read(range(3)).detach().numpy() - frozen).max() < 5e-3
    tuned.read(range(3)).sum().backward()
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(torch.randn_like(weight) * 0.02)
    changed = tuned.read(range(3)).detach().numpy()
    assert np.abs(changed - frozen).max() > 1e-3
    read = encode_texts(texts, tuned.finished(), folder, 16, "Reading")
    assert np.abs(read - changed).max() < 5e-3


def test_only_the_top_layers_learn_and_get_the_gradient_of_the_whole_model(toy_encoder):
    tuned, model = reader(toy_encoder, "top:1"), TextModel.open(toy_encoder)
    aim = torch.randn(len(TEXTS), model.width)
    (tuned.read(range(len(TEXTS))) * aim).sum().backward()
    whole = TextReader.open(model, toy_encoder, TEXTS, 16, "all", rank=4)
    (whole.read(range(len(TEXTS))) * aim).sum().backward()
    top = layers_of(model.transformer)[-1]
    assert sum(p.numel() for p in tuned.parameters()) == sum(p.numel() for p in top.parameters())
    for mine, other in zip(tuned.parameters(), top.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, atol=2e-2 * float(other.grad.abs().max()) + 1e-6)


def test_low_rank_corrections_merged_give_the_vectors_of_those_unmerged(toy_encoder):
    tuned = reader(toy_encoder, "lora")
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    unmerged = tuned.read(range(len(TEXTS))).detach()
    frozen = encode_texts(TEXTS, TextModel.open(toy_encoder), toy_encoder, 16, "Reading")
    merged = tuned.finished()
    assert not any("lora" in name for name, _ in merged.named_modules())
    assert np.abs(unmerged.numpy() - frozen).max() > 0.01
    vectors = encode_texts(TEXTS, merged, toy_encoder, 16, "Reading")
    assert np.abs(vectors - unmerged.numpy()).max() < 1e-5


@pytest.mark.parametrize("teacher", ["votes", "tower"])
@pytest.mark.parametrize("tune", ["top:1", "lora", "all"])
def test_a_tuned_model_reads_as_it_learnt_to_after_saving(shop, toy_config, toy_encoder, tmp_path, tune, teacher):
    rate = 1e-3 if tune == "all" else 1e-2
    encoder = msgspec.structs.replace(
        toy_config.encoder, tune=tune, teacher=teacher, rounds=2, steps=20, rate=rate, texts=24
    )
    barely = msgspec.structs.replace(toy_config.training, epochs=1)  # so that there is something left to learn
    model = train(
        shop, tmp_path / "model", msgspec.structs.replace(toy_config, encoder=encoder, training=barely), seed=0
    )
    loaded = Model.load(tmp_path / "model")
    texts = [model.card.template.render(item) for item in shop.items]
    read = encode_texts(texts, loaded.encoder.text_model, tmp_path / "model" / "encoder", 16, "Reading")
    vectors = loaded.encoder.projection(torch.from_numpy(read))
    vectors = torch.nn.functional.normalize(vectors, dim=1) + torch.from_numpy(loaded.residual)
    assert np.allclose(torch.nn.functional.normalize(vectors, dim=1).detach(), loaded.vectors, atol=2e-3)
    frozen = encode_texts(texts, TextModel.open(toy_encoder), toy_encoder, 16, "Reading")
    assert np.abs(read - frozen).max() > 1e-3


@pytest.mark.parametrize("teacher", ["votes", "tower"])
@pytest.mark.parametrize(
    "way", [{"token_dropout": 0.4}, {"variants": 2, "field_dropout": 0.5}], ids=["tokens", "fields"]
)
def test_a_language_model_that_read_varied_texts_reads_the_usual_ones_otherwise(shop, toy_config, way, teacher):
    plain = msgspec.structs.replace(
        toy_config.encoder, tune="top:1", teacher=teacher, rounds=1, steps=20, rate=1e-2, texts=24
    )
    barely = msgspec.structs.replace(toy_config.training, epochs=1)
    split = make_split(shop, "leave-last-out")
    states = [
        fit_model(shop, split, msgspec.structs.replace(toy_config, encoder=encoder, training=barely), seed=0)
        .encoder.text_model.state_dict()
        for encoder in (plain, msgspec.structs.replace(plain, **way))
    ]  # fmt: skip
    assert all(torch.isfinite(weight).all() for weight in states[1].values() if weight.is_floating_point())
    assert any(not torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("teacher", ["votes", "tower"])
def test_a_killed_tuning_resumes_to_the_same_model(shop, toy_config, tmp_path, monkeypatch, teacher):
    encoder = msgspec.structs.replace(
        toy_config.encoder, tune="top:1", teacher=teacher, rounds=3, steps=20, rate=1e-2, texts=24
    )
    barely = msgspec.structs.replace(toy_config.training, epochs=1)  # so that tuned weights are the best
    config = msgspec.structs.replace(toy_config, encoder=encoder, training=barely)
    split = make_split(shop, "leave-last-out")
    whole = fit_model(shop, split, config, seed=0)
    from pocketrec_training.encoder import vote_tuning
    from pocketrec_training.tower import training as tower_training

    training = {"votes": vote_tuning, "tower": tower_training}[teacher]._Run
    written = training.write

    def killed(run, path):
        written(run, path)
        if run.reading is not None and (run.round if teacher == "votes" else run.epoch) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_model(shop, split, config, 0, tmp_path / "checkpoint")
    monkeypatch.setattr(training, "write", written)
    resumed = fit_model(shop, split, config, 0, tmp_path / "checkpoint")
    assert np.array_equal(resumed.vectors, whole.vectors)
    states = [model.encoder.text_model.state_dict() for model in (whole, resumed)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    untouched = TextModel.open(Path(config.encoder.folder)).state_dict()
    assert any(not torch.equal(states[0][name], untouched[name]) for name in untouched)


@pytest.mark.parametrize("teacher", ["votes", "tower"])
def test_a_seed_fixes_what_lora_begins_with(shop, toy_config, teacher):
    encoder = msgspec.structs.replace(toy_config.encoder, tune="lora", teacher=teacher, rounds=1, rate=1e-3, texts=24)
    config, split = msgspec.structs.replace(toy_config, encoder=encoder), make_split(shop, "leave-last-out")
    vectors = []
    for state in (1, 2):
        torch.manual_seed(state)
        vectors.append(fit_model(shop, split, config, seed=0).vectors)
    assert np.array_equal(*vectors)
