import msgspec
import numpy as np
import pytest
from made_data import dataset_of, two_worlds

from pocketrec.results import Machine, Result
from pocketrec_training.evaluate.baselines import fit_baselines
from pocketrec_training.evaluate.figures import Figures, measure_all
from pocketrec_training.evaluate.measurement import Yardstick
from pocketrec_training.evaluate.plot import plot
from pocketrec_training.evaluate.splits import leave_last_out
from pocketrec_training.evaluate.table import aligned, lead_rows, rows, slice_rows, table


@pytest.fixture(scope="module")
def result():
    split = leave_last_out(dataset_of([rows.tolist() for rows in two_worlds()], 20))
    yardstick = Yardstick.of(split, np.eye(20, dtype=np.float32))
    measured = measure_all(fit_baselines(split, [f"item {row}" for row in range(20)]), yardstick)
    figures = Figures.of(
        {"bundle": measured["ease"], "model": measured["item-knn"]},
        {name: measured[name] for name in ("popularity", "markov")},
    )
    return Result(
        name="evaluate",
        command="pocketrec evaluate",
        machine=Machine.here(),
        versions={},
        metrics=figures.metrics,
        intervals=figures.intervals,
        baselines=figures.baselines,
        notes={"dataset": "made", "split": "leave-last-out"} | figures.notes,
    )


def test_table_shows_subjects_first_and_baselines_from_best_to_worst(result):
    lines = aligned(rows(result)).splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names[:2] == ["bundle", "model"]
    shown = [float(line.split()[1]) for line in lines[3:]]
    assert set(names[2:]) == {"popularity", "markov"}
    assert shown == sorted(shown, reverse=True)
    assert f"{result.metrics['ndcg@10']:.4f}" in lines[1]
    assert len({len(line) for line in lines}) == 1


def test_slices_without_cases_are_left_out(result):
    header, *lines = slice_rows(result)
    assert header[1:] == ["head", "tail", "short-history"]
    assert [line[0] for line in lines] == ["bundle", "popularity", "markov"]


def test_a_slice_that_a_baseline_was_not_asked_for_is_left_blank(result):
    fewer = {key: value for key, value in result.baselines["markov"].items() if not key.startswith("tail/")}
    lines = slice_rows(msgspec.structs.replace(result, baselines={**result.baselines, "markov": fewer}))
    assert [line[2] == "" for line in lines[1:]] == [False, False, True]


def test_leads_stand_in_the_order_of_the_table(result):
    names = [line[0] for line in rows(result)[2:]]
    header, *lines = lead_rows(result)
    assert [line[0] for line in lines] == ["model", *names[1:]]
    found = dict(zip(header[1:], lines[-1][1:], strict=True))
    name = names[-1]
    assert found["difference"] == f"{result.metrics[f'over/{name}/ndcg@10']:+.4f}"
    assert found["p"] == f"{result.metrics[f'over/{name}/p']:.4f}"


def test_a_subject_alone_is_ahead_of_nobody(result):
    alone = {key: value for key, value in result.metrics.items() if not key.startswith(("over/", "model/"))}
    lonely = msgspec.structs.replace(result, metrics=alone, baselines={})
    assert "ahead of" not in table(lonely)
    assert "ahead of" in table(result)


def test_result_survives_its_file(result, tmp_path):
    result.write(tmp_path / "result.json")
    again = Result.read(tmp_path / "result.json")
    assert again.metrics == result.metrics
    assert table(again) == table(result)


def test_plot_is_a_png(result, tmp_path):
    plot(result, tmp_path / "deep" / "plot.png")
    assert (tmp_path / "deep" / "plot.png").read_bytes()[:4] == b"\x89PNG"
