"""Training, from a data set to a model folder."""

import dataclasses
import signal
import subprocess
import sys
import time

import msgspec
import numpy as np
import pytest
import torch

from pocketrec import Recommender
from pocketrec.errors import DataError
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.model import Model
from pocketrec_training.augment.histories import HistoryAugmentation
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.tower.item_table import ItemTable
from pocketrec_training.tower.ranking import rank_by_tower
from pocketrec_training.train import fit_model, train


def same_models(first, second):
    pairs = [(first.vectors, second.vectors), (first.residual, second.residual)]
    pairs += [
        (a.numpy(), b.numpy())
        for mine, other in ((first.user, second.user), (first.scorer, second.scorer))
        for a, b in zip(mine.state_dict().values(), other.state_dict().values(), strict=True)
    ]
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_trained_model_foresees_the_next_item_of_a_taste(shop, toy_model):
    model = Model.load(toy_model)
    test = make_split(shop, "leave-last-out").test
    ranked = ModelRanker(model).rank(test.histories, k=3)
    found = np.mean([target[0] in line for line, target in zip(ranked, test.targets, strict=True)])
    assert found > 0.8  # by chance: 3 of 40


def test_history_is_masked_unless_asked(shop, toy_model):
    ranker = ModelRanker(Model.load(toy_model))
    histories = make_split(shop, "leave-last-out").test.histories[:20]
    assert not any(set(line) & set(rows) for line, rows in zip(ranker.rank(histories, 10), histories, strict=True))
    seen = ranker.rank(histories, 10, allow_seen=True)
    assert any(set(line) & set(rows) for line, rows in zip(seen, histories, strict=True))


def test_same_seed_gives_the_same_model_and_another_seed_another(shop, toy_config):
    split = make_split(shop, "leave-last-out")
    first, again, other = (fit_model(shop, split, toy_config, seed) for seed in (1, 1, 2))
    assert same_models(first, again)
    assert not same_models(first, other)


@pytest.mark.parametrize(
    "choice",
    [
        {"loss": "sampled-softmax", "sample": 16},
        {"loss": "sampled-softmax", "sample": 16, "negatives": "popular"},
        {"loss": "sampled-softmax", "negatives": "in-batch"},
        {"loss": "sampled-softmax", "sample": 16, "negatives": "hard"},
        {"loss": "bpr", "sample": 16},
        {"logits": "bfloat16"},
        {"slices": (8, 4)},
    ],
)
def test_every_loss_teaches_the_tower_a_taste(shop, toy_config, choice):
    split = make_split(shop, "leave-last-out")
    training = msgspec.structs.replace(toy_config.training, **choice)
    model = fit_model(shop, split, msgspec.structs.replace(toy_config, training=training), seed=0)
    for width in (None, *training.slices):
        vectors = torch.from_numpy(model.vectors)
        ranked = rank_by_tower(model.user, vectors, split.test.histories, 10, 3, width=width)
        found = np.mean([target[0] in line for line, target in zip(ranked, split.test.targets, strict=True)])
        assert found > 0.3, width  # by chance: 3 of 40


@pytest.mark.parametrize("way", ["crop", "drop", "mask", "substitute"])
def test_varied_histories_teach_a_taste_too_and_other_weights(shop, toy_config, way):
    split = make_split(shop, "leave-last-out")
    varied = msgspec.structs.replace(toy_config.training, augmentation=HistoryAugmentation(**{way: 0.3}))
    plain, model = (
        fit_model(shop, split, msgspec.structs.replace(toy_config, training=training), seed=0)
        for training in (toy_config.training, varied)
    )
    assert not np.array_equal(model.vectors, plain.vectors)
    ranked = rank_by_tower(model.user, torch.from_numpy(model.vectors), split.test.histories, 10, 3)
    assert np.mean([target[0] in line for line, target in zip(ranked, split.test.targets, strict=True)]) > 0.3


def test_a_saved_model_loads_as_it_was(shop, toy_config, tmp_path):
    model = train(shop, tmp_path / "model", toy_config, seed=3)
    loaded = Model.load(tmp_path / "model")
    assert loaded.card == model.card
    assert loaded.items == shop.items
    assert same_models(loaded, model)


def test_a_killed_run_resumes_to_the_same_model(shop, toy_config, toy_encoder, tmp_path):
    config = msgspec.structs.replace(toy_config, training=msgspec.structs.replace(toy_config.training, epochs=12))
    whole = train(shop, tmp_path / "whole", config, seed=0)
    data = tmp_path / "data.txt"
    data.write_bytes(msgspec.json.encode(config))
    program = f"""
import msgspec
from pathlib import Path
from pocketrec_training.dataset import Dataset
from pocketrec_training.train import TrainConfig, train
config = msgspec.json.decode(Path({str(data)!r}).read_bytes(), type=TrainConfig)
train(Dataset.load(Path({str(tmp_path / "dataset")!r})), Path({str(tmp_path / "cut")!r}), config, seed=0)
"""
    from toys import write_shop

    from pocketrec_training.dataset import Dataset
    from pocketrec_training.prepare import find_source, prepare

    prepare(find_source(write_shop(tmp_path / "raw")), tmp_path / "dataset")
    checkpoints = tmp_path / ".cut-checkpoint"
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*/tower.pt")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(checkpoints.glob("*/tower.pt")), "killed before its first checkpoint, or after its end"
    resumed = train(Dataset.load(tmp_path / "dataset"), tmp_path / "cut", config, seed=0, resume=True)
    assert same_models(resumed, whole)
    assert not checkpoints.exists()


def test_factorisation_is_a_model_like_any_other(shop, toy_config):
    config = msgspec.structs.replace(toy_config, kind="factorisation")
    split = make_split(shop, "leave-last-out")
    model = fit_model(shop, split, config, seed=0)
    assert np.allclose(np.linalg.norm(model.vectors, axis=1), 1, atol=1e-5)
    ranked = ModelRanker(model).rank(split.test.histories, k=5)
    tastes = [[shop.items[row].id.split("-")[0] for row in line] for line in ranked]
    own = [shop.items[rows[0]].id.split("-")[0] for rows in split.test.histories]
    assert np.mean([line.count(taste) / 5 for line, taste in zip(tastes, own, strict=True)]) > 0.55


def test_residuals_neighbours_and_followers_can_be_left_out(shop, toy_config, tmp_path):
    replace = msgspec.structs.replace
    text_alone = replace(toy_config, training=replace(toy_config.training, residual=False))
    config = replace(text_alone, neighbours=replace(toy_config.neighbours, fits=(), followers=()))
    model = train(shop, tmp_path / "model", config, seed=0)
    assert not model.residual.any()
    assert len(model.neighbours.rows) == len(model.followers.rows) == 0
    assert (model.card.validation["neighbours/ndcg@10"], model.card.validation["followers/ndcg@10"]) == (0.0, 0.0)
    test = make_split(shop, "leave-last-out").test
    ranked = ModelRanker(model).rank(test.histories, k=3)
    assert np.mean([target[0] in line for line, target in zip(ranked, test.targets, strict=True)]) > 0.3
    export(tmp_path / "model", tmp_path / "bundle", ExportConfig())
    assert len(Recommender.load(tmp_path / "bundle").recommend(history=["red-1", "red-2"], k=9)) == 9


def test_a_tower_starts_alike_with_and_without_residuals():
    vectors = np.random.default_rng(0).standard_normal((6, 12)).astype(np.float32)
    after = []
    for residual in (True, False):
        torch.manual_seed(0)
        table = ItemTable(vectors, dim=4, residual=residual)
        after.append(torch.rand(3))
    assert torch.equal(*after)
    assert torch.allclose(table(), table.read(table.text_vectors), atol=1e-6)


def test_items_without_behaviour_stand_where_their_text_puts_them(shop, toy_config):
    split = make_split(shop, "leave-last-out")
    hidden = shop.items.index(next(item for item in shop.items if item.id == "red-4"))
    fit = [rows[rows != hidden] for rows in split.fit]
    model = fit_model(shop, dataclasses.replace(split, fit=fit, before_test=fit), toy_config, seed=0)
    assert model.popularity[hidden] == 0
    assert not model.residual[hidden].any()
    assert model.residual[hidden - 1].any()


def test_what_validation_held_out_is_learnt_at_last(shop, toy_config):
    split = make_split(shop, "leave-last-out")
    late = split.validation.targets[0][0]
    fit = [rows[rows != late] for rows in split.fit]
    split = dataclasses.replace(split, fit=fit)
    left, learnt = (fit_model(shop, split, msgspec.structs.replace(toy_config, refit=epochs), 0) for epochs in (0, 3))
    assert left.popularity[late] == 0
    assert learnt.popularity[late] > 0
    assert not left.residual[late].any()
    assert learnt.residual[late].any()
    assert learnt.popularity.sum() == left.popularity.sum() + sum(map(len, split.before_test)) - sum(map(len, fit))
    assert left.card.validation == learnt.card.validation  # chosen and measured before
    moved = np.sum(left.vectors * learnt.vectors, axis=1)
    assert np.median(moved) > 0.8, "so far from where it was that the scorer no longer knows it"
    assert not np.array_equal(left.followers.weights, learnt.followers.weights)


def test_item_table_is_text_plus_residual_at_unit_length():
    table = ItemTable(np.random.default_rng(0).standard_normal((6, 12)).astype(np.float32), dim=4)
    read = table.read(table.text_vectors)
    expected = torch.nn.functional.normalize(read + table.residual, dim=-1)
    assert torch.allclose(table(), expected)
    assert torch.allclose(table(torch.zeros(6, dtype=torch.bool)), read, atol=1e-6)
    other = torch.randn(6, 12)
    assert torch.allclose(table(torch.zeros(6, dtype=torch.bool), other), table.read(other), atol=1e-6)


def test_too_little_to_learn_from_is_one_clear_error(shop, toy_config):
    split = make_split(shop, "leave-last-out")
    nobody = dataclasses.replace(split, fit=[rows[:1] for rows in split.fit])
    with pytest.raises(DataError, match="0 users with two interactions"):
        fit_model(shop, nobody, toy_config, seed=0)
