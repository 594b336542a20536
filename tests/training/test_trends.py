"""Where fashions pass, what counts as popular is what people took lately."""

import math
import shutil

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_data import dataset_of, rows_of, save_dataset
from msgspec.structs import replace
from safetensors.torch import load_file, save_file

from pocketrec import Recommender
from pocketrec.cli import main
from pocketrec.errors import ConfigError
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.model import Model
from pocketrec_training.evaluate import cross_validation
from pocketrec_training.evaluate.baselines.popularity import Popularity
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.figures import measure_all
from pocketrec_training.evaluate.measurement import Yardstick
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.train import train
from pocketrec_training.trends import choose_share, late_counts, newest_first, trend_of

ITEMS, USERS = 40, 300


def fashions(seed=0, passing=True):
    """Everybody takes six things over a year; seven in ten are of three in fashion, for a tenth of the year each."""
    random = np.random.default_rng(seed)
    histories, times = [], []
    for _ in range(USERS):
        when = np.sort(random.choice(365, 6, replace=False))
        taken = []
        for day in when:
            current = int(day / 365 * 10 + 0.5) * 3 if passing else 0  # fashions change within the parts of the split
            fresh = [row for row in range(current, current + 3) if row not in taken]
            others = [row for row in range(ITEMS) if row not in taken]
            taken.append(int(random.choice(fresh if fresh and random.random() < 0.7 else others)))
        histories.append(taken)
        times.append(when * 86_400)
    return dataset_of(histories, ITEMS, times)


@given(
    events=st.lists(st.integers(0, 9), max_size=60).map(lambda rows: np.array(rows, np.int32)),
    share=st.floats(0.01, 1),
)
def test_each_interaction_counts_by_how_many_came_after_it(events, share):
    counts = late_counts(events, share, 10)
    expected = np.zeros(10)
    for after, row in enumerate(events.tolist()):
        expected[row] += math.exp(-after / (share * len(events)))
    assert counts == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_events_of_all_users_are_ordered_by_time_whatever_part_of_them_is_learnt_from():
    dataset = dataset_of([[0, 1, 2], [3, 4, 3, 5]], 6, [[10, 30, 50], [20, 40, 45, 60]])
    assert newest_first(dataset, dataset.histories()).tolist() == [5, 2, 3, 4, 1, 3, 0]
    assert newest_first(dataset, [rows_of(0, 1), rows_of(3)]).tolist() == [1, 3, 0]
    assert newest_first(dataset, [rows_of(0, 2), rows_of(4, 3, 5)]).tolist() == [5, 2, 3, 4, 0]  # without some items
    assert newest_first(dataset, [rows_of(), rows_of()]).tolist() == []


def test_the_share_is_that_which_ranks_validation_users_and_none_where_it_does_so_by_chance():
    passing = fashions()
    assert 0 < choose_share(passing, make_split(passing, "global-time")) < 0.3
    lasting = fashions(passing=False)
    assert choose_share(lasting, make_split(lasting, "global-time")) == 0
    untimed = dataset_of(passing.histories(), ITEMS)
    assert choose_share(untimed, make_split(untimed, "leave-last-out")) == 0


def test_a_trend_is_a_share_of_the_strongest_and_nothing_for_what_nobody_took():
    dataset = fashions()
    split = make_split(dataset, "global-time")
    trend = trend_of(dataset, split, 0.05)
    assert trend.max() == pytest.approx(1)
    assert not trend[split.popularity(ITEMS) == 0].any()
    assert not trend_of(dataset, split, 0).any()


@pytest.fixture(scope="module")
def trained(toy_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fashions")
    save_dataset(fashions(), folder / "dataset")
    from pocketrec_training.dataset import Dataset

    train(Dataset.load(folder / "dataset"), folder / "model", replace(toy_config, split="global-time"), seed=0)
    export(folder / "model", folder / "bundle", ExportConfig())
    return folder


def test_a_model_finds_what_is_in_fashion_and_beats_the_fashion_itself(trained):
    measured = evaluate(trained / "dataset", trained / "model", trained / "bundle")
    assert "recent-popularity" in measured.baselines
    best = max(measured.baselines, key=lambda name: measured.baselines[name]["ndcg@10"])
    assert measured.baselines["recent-popularity"]["ndcg@10"] > 1.5 * measured.baselines["popularity"]["ndcg@10"]
    assert measured.metrics["ndcg@10"] > 0.9 * measured.baselines[best]["ndcg@10"]
    assert measured.metrics["ndcg@10"] > 1.2 * measured.metrics["tower/ndcg@10"]


def test_bundle_and_model_rank_alike(trained, tmp_path):
    export(trained / "model", tmp_path / "bundle", ExportConfig(precision="float32"))
    model, recommender = Model.load(trained / "model"), Recommender.load(tmp_path / "bundle")
    assert 0 < model.card.trend_share < 0.3
    assert np.array_equal(np.load(trained / "bundle" / "trend.npy"), model.trend)
    ids = [item.id for item in model.items]
    histories = [rows_of(row, (row * 7) % ITEMS) for row in range(20)]
    ranked = ModelRanker(model).rank(histories, 5)
    for history, line in zip(histories, ranked, strict=True):
        assert recommender.rank([ids[row] for row in history], k=5) == [ids[row] for row in line]
    assert main(["verify", str(trained / "bundle")]) == 0


def test_a_stranger_is_shown_what_is_in_fashion(trained):
    model, recommender = Model.load(trained / "model"), Recommender.load(trained / "bundle")
    ids = [item.id for item in model.items]
    newest = newest_first(fashions(), make_split(fashions(), "global-time").before_test)
    counts = late_counts(newest, model.card.trend_share, ITEMS)
    best = [ids[row] for row in np.argsort(-counts)[:3]]
    assert recommender.rank(k=3) == best
    assert ModelRanker(model).rank([rows_of()], 3).tolist() == [[ids.index(id) for id in best]]
    assert recommender.score([], best) == sorted(recommender.score([], best), reverse=True)


def test_what_the_network_knows_of_validations_days_plays_no_part(trained):
    scorer = Model.load(trained / "model").scorer
    assert not scorer.out.weight.any()
    assert scorer.features.trend > 0
    assert scorer.features.trend_added.all()  # what somebody typed, and what may come again, weigh it for themselves


def test_a_share_without_times_is_refused(toy_config, tmp_path):
    save_dataset(dataset_of(fashions().histories(), ITEMS), tmp_path / "dataset")
    from pocketrec_training.dataset import Dataset

    with pytest.raises(ConfigError, match=r"trend_share=0\.1: data set made has no times"):
        train(Dataset.load(tmp_path / "dataset"), tmp_path / "model", replace(toy_config, trend_share=0.1), seed=0)


def test_a_baseline_that_only_some_parts_have_is_left_out_of_the_whole():
    split = make_split(fashions(), "global-time")
    yardstick = Yardstick.of(split, np.eye(ITEMS, dtype=np.float32), 10)
    rankers = [
        ("popularity", Popularity.fit(split.fit, ITEMS)),
        ("recent-popularity", Popularity.fit(split.fit, ITEMS)),
    ]
    parts = [measure_all(rankers, yardstick, False), measure_all(rankers[:1], yardstick, False)]
    assert list(cross_validation._joined(parts, ["a", "b"])) == ["popularity"]


def test_without_a_trend_scores_are_as_if_there_were_none(toy_model):
    """Nothing of the toy shop passes."""
    model = Model.load(toy_model)
    assert model.card.trend_share == 0
    assert not model.trend.any()
    assert not model.scorer.features.trend.any()
    assert model.scorer.out.weight.any()


def test_the_share_may_be_told(toy_config, trained):
    from pocketrec_training.dataset import Dataset

    told = replace(toy_config, split="global-time", trend_share=0.0)
    model = train(Dataset.load(trained / "dataset"), trained / "told", told, seed=0)
    assert model.card.trend_share == 0
    assert not model.trend.any()


def test_a_model_of_before_there_were_trends_is_read(toy_model, tmp_path):
    folder = shutil.copytree(toy_model, tmp_path / "model")
    (folder / "trend.npy").unlink()
    weights = load_file(folder / "weights.safetensors")
    older = {name: value for name, value in weights.items() if not name.startswith("scorer.features.trend")}
    save_file(older, folder / "weights.safetensors")
    card = msgspec.json.decode((folder / "model.json").read_bytes())
    card["format"] = 1
    del card["trend_share"]
    (folder / "model.json").write_bytes(msgspec.json.encode(card))
    model, usual = Model.load(folder), Model.load(toy_model)
    histories = [rows_of(row) for row in range(10)]
    assert np.array_equal(ModelRanker(model).rank(histories, 5), ModelRanker(usual).rank(histories, 5))
