"""An experiment goes from raw files to figures, takes up where it stopped, and never mixes settings."""

import shutil

import numpy as np
import pytest
from msgspec.structs import replace
from toys import write_shop

from pocketrec.config import load_config
from pocketrec.errors import DataError
from pocketrec.results import Result
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.table import slice_rows, table
from pocketrec_training.experiments.experiment import ExperimentConfig, run_experiment


@pytest.fixture(scope="module")
def config(toy_config):
    return ExperimentConfig(train=toy_config, seeds=(0, 1), cold_seeds=(0,))


@pytest.fixture(scope="module")
def done(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    source = write_shop(folder / "shop")
    return source, folder / "work", run_experiment("shop", source, folder / "work", config)


def test_figures_are_means_over_seeds_of_the_bundle(done):
    _, work, result = done
    seeds = [Result.read(work / f"seed-{seed}" / "evaluate.json") for seed in (0, 1)]
    assert result.seeds == (0, 1)
    for key in ("ndcg@10", "recall@10", "ndcg@10/unmasked", "model/ndcg@10"):
        assert result.metrics[key] == pytest.approx(np.mean([each.metrics[key] for each in seeds]))
    deviation = np.std([each.metrics["ndcg@10"] for each in seeds], ddof=1)
    assert result.metrics["deviation/ndcg@10"] == pytest.approx(deviation)
    low, high = result.intervals["ndcg@10"]
    assert low <= result.metrics["ndcg@10"] <= high
    assert result.metrics["ndcg@10"] > result.baselines["popularity"]["ndcg@10"]
    assert result.metrics["train_s"] > 0
    assert result.metrics["over/ease/ndcg@10"] == pytest.approx(
        result.metrics["ndcg@10"] - result.baselines["ease"]["ndcg@10"], abs=1e-6
    )
    assert result.metrics["over/popularity/p"] < 0.05
    for line in ("bundle", "model", "ease"):
        assert line in table(result)


def test_cold_figures_are_those_of_models_that_never_met_the_items(done):
    _, work, result = done
    cold = Result.read(work / "cold-0" / "evaluate.json")
    assert cold.notes["split"] == "cold-items"
    for key in ("cold/ndcg@10", "cold/recall@10"):
        assert result.metrics[key] == cold.metrics[key]
        low, high = result.intervals[key]
        assert low - 1e-6 <= result.metrics[key] <= high + 1e-6
        for name in ("tf-idf", "frozen-text"):
            assert result.baselines[name][key] == cold.baselines[name][key]
            assert f"{name}/{key}" in result.intervals
    assert result.metrics["ndcg@10"] != cold.metrics["ndcg@10"]
    count = CaseFile.load(work / "cold-0" / "evaluate.cases.npz").slices["cold"].sum()
    assert result.notes["cold"].startswith(f"{count} cases")
    assert "cold" in slice_rows(result)[0]


def test_every_case_is_kept_for_comparisons(done):
    _, work, _ = done
    cases = CaseFile.load(work / "seed-0" / "evaluate.cases.npz")
    result = Result.read(work / "seed-0" / "evaluate.json")
    for name, values in cases.values.items():
        subject, _, key = name.partition("/")
        figures = result.metrics if subject == "bundle" else result.baselines.get(subject)
        if figures is not None and not key.endswith("/among-cold"):  # which cold cases alone have
            assert figures[key] == pytest.approx(values.mean(), abs=1e-6)
    assert {len(mask) for mask in cases.slices.values()} == {len(cases.values["bundle/ndcg@10"])}


def test_what_is_there_is_not_done_again(done, config):
    source, work, result = done
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    again = run_experiment("shop", source, work, config)
    assert again.metrics == result.metrics
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()} == before


def test_seeds_may_be_dropped_and_the_baselines_stay(done, config, tmp_path):
    source, work, result = done
    shutil.copytree(work, tmp_path / "work")
    later = run_experiment("shop", source, tmp_path / "work", replace(config, seeds=(1,), cold_seeds=()))
    assert later.baselines["ease"]["ndcg@10"] == pytest.approx(result.baselines["ease"]["ndcg@10"])
    assert "over/ease/ndcg@10" in later.metrics


def test_settings_are_never_mixed(done, config):
    source, work, _ = done
    other = load_config(ExperimentConfig, overrides=["train.dim=8"])
    with pytest.raises(DataError, match="other settings"):
        run_experiment("shop", source, work, other)
    with pytest.raises(DataError, match="not an experiment"):
        run_experiment("shop", source, source, config)
