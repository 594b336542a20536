import numpy as np
import pytest
from made_data import dataset_of, two_worlds

from pocketrec_training.evaluate.figures import Figures, measure_all
from pocketrec_training.evaluate.folds import folds
from pocketrec_training.evaluate.measurement import Measurement, Yardstick
from pocketrec_training.evaluate.splits import leave_last_out

ITEMS = 20


class Oracle:
    """Puts the target first in a given share of cases."""

    def __init__(self, held_out, share=1.0):
        self.held_out, self.share = held_out, share

    def rank(self, histories, k, allow_seen=False, among=None):
        random = np.random.default_rng(0)
        ranked = np.full((len(histories), k), -1, np.int32)
        for case, target in enumerate(self.held_out.targets[: len(histories)]):
            if random.random() < self.share:
                ranked[case, 0] = target[0]
        return ranked


@pytest.fixture(scope="module")
def split():
    return leave_last_out(dataset_of([rows.tolist() for rows in two_worlds()], ITEMS))


@pytest.fixture(scope="module")
def yardstick(split):
    return Yardstick.of(split, np.eye(ITEMS, dtype=np.float32))


def test_an_oracle_reaches_one_everywhere(split, yardstick):
    figures = Measurement.of(Oracle(split.test), yardstick, unmasked=True)
    metrics = figures.metrics()
    for key in ("ndcg@5", "ndcg@10", "recall@10", "hit@20", "mrr@10", "map@10", "ndcg@10/unmasked"):
        assert metrics[key] == pytest.approx(1)
    assert metrics["precision@5"] == pytest.approx(0.2)
    assert figures.intervals(0)["ndcg@10"] == pytest.approx((1, 1))


def test_slices_average_to_the_whole(split, yardstick):
    measured = Measurement.of(Oracle(split.test, 0.5), yardstick)
    metrics, masks = measured.metrics(), measured.slices
    parts = sum(metrics[f"{name}/ndcg@10"] * masks[name].sum() for name in ("head", "tail"))
    assert parts / len(split.test) == pytest.approx(metrics["ndcg@10"])
    assert "cold/ndcg@10" not in metrics


def test_every_metric_with_a_value_a_case_has_an_interval_that_holds_it(split, yardstick):
    measured = Measurement.of(Oracle(split.test, 0.5), yardstick, unmasked=True)
    metrics, intervals = measured.metrics(), measured.intervals(0)
    assert set(metrics) - set(intervals) == {"coverage@10", "gini@10"}
    assert all(low - 1e-9 <= metrics[key] <= high + 1e-9 for key, (low, high) in intervals.items())


def test_another_cutoff_is_measured_too_and_an_impossible_one_refused(split):
    vectors = np.eye(ITEMS, dtype=np.float32)
    metrics = Measurement.of(Oracle(split.test), Yardstick.of(split, vectors, at=3)).metrics()
    assert {"ndcg@3", "ndcg@10", "coverage@3", "tail/ndcg@3"} <= set(metrics)
    with pytest.raises(ValueError, match="can't measure at 21: choose 1 to 20"):
        Yardstick.of(split, vectors, at=21)


def test_folds_join_to_all_their_cases():
    data = dataset_of([rows.tolist() for rows in two_worlds()], ITEMS)
    parts = []
    for share, fold in zip((1.0, 0.0), folds(data, 2), strict=True):
        parts.append(Measurement.of(Oracle(fold.test, share), Yardstick.of(fold, np.eye(ITEMS, dtype=np.float32))))
    joined = Measurement.joined(parts)
    assert len(joined.values["ndcg@10"]) == 40
    assert joined.metrics()["ndcg@10"] == pytest.approx(0.5)


def test_parts_are_slices_when_they_are_named_and_users_stay_one():
    part = Yardstick.of(leave_last_out(dataset_of([rows.tolist() for rows in two_worlds()], ITEMS)), np.eye(ITEMS))
    one, two = (Measurement.of(Oracle(part.held_out, share), part) for share in (1.0, 0.0))
    joined = Measurement.joined([one, two, one], ["origin-1", "origin-2", "origin-3"])
    metrics = joined.metrics()
    assert [metrics[f"origin-{number}/ndcg@10"] for number in (1, 2, 3)] == [1, 0, 1]
    # Each user has 1, 0 and 1: whoever is drawn, the mean is the same.
    assert joined.intervals(0)["ndcg@10"] == pytest.approx((2 / 3, 2 / 3))


def test_figures_stand_under_their_keys(split, yardstick):
    subjects = measure_all([("bundle", Oracle(split.test, 0.9)), ("model", Oracle(split.test, 0.9))], yardstick)
    baselines = measure_all([("ease", Oracle(split.test, 0.2))], yardstick)
    figures = Figures.of(subjects, baselines)
    assert figures.metrics["ndcg@10"] == figures.metrics["model/ndcg@10"]
    assert figures.metrics["over/ease/ndcg@10"] == pytest.approx(
        figures.metrics["ndcg@10"] - figures.baselines["ease"]["ndcg@10"]
    )
    assert figures.intervals["over/ease/ndcg@10"][0] > 0
    assert figures.intervals["over/model/relative/ndcg@10"] == (0, 0)
    assert {"ndcg@10", "model/ndcg@10", "ease/ndcg@10"} <= set(figures.intervals)
    assert figures.notes["subject"] == "bundle"
    assert figures.metrics["over/model/p"] == figures.metrics["over/model/bootstrap_p"] == 1
    assert figures.metrics["over/ease/p"] < 0.05
    assert figures.metrics["over/ease/effect"] > 0


def test_cold_items_are_ranked_by_themselves_too():
    histories = [rows.tolist() for rows in two_worlds()]
    split = leave_last_out(dataset_of([*histories, [0, 1, 2, ITEMS], [3, 4, 5, ITEMS + 1]], ITEMS + 2))
    yardstick = Yardstick.of(split, np.eye(ITEMS + 2, dtype=np.float32))

    class ByRow:
        def rank(self, histories, k, allow_seen=False, among=None):
            rows = np.arange(ITEMS + 2) if among is None else np.flatnonzero(among)
            ranked = np.full((len(histories), k), -1, np.int32)
            ranked[:, : len(rows[:k])] = rows[:k]
            return ranked

    measured = Measurement.of(ByRow(), yardstick)
    metrics = measured.metrics()
    assert measured.slices["cold"].sum() == 2
    assert metrics["cold/ndcg@10"] == 0
    assert metrics["cold/ndcg@10/among-cold"] == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert "ndcg@10/among-cold" not in metrics
    assert "head/ndcg@10/among-cold" not in metrics
    low, high = measured.intervals(0)["cold/ndcg@10/among-cold"]
    assert low <= metrics["cold/ndcg@10/among-cold"] <= high
