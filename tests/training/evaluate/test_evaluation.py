import subprocess
import sys

import msgspec
import numpy as np
import pytest
from made_data import dataset_of, save_dataset, two_worlds

from pocketrec.config import load_config
from pocketrec.errors import DataError, ModelError
from pocketrec_export.model import ModelCard
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.evaluate.cross_validation import cross_validate, evaluate_origins
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.report import EvaluationOptions
from pocketrec_training.train import TrainConfig, train

FAST = load_config(TrainConfig, overrides=["kind=factorisation", "dim=8", "factorisation.rounds=4"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluation")
    histories = [rows.tolist() for rows in two_worlds(users=60)]
    save_dataset(dataset_of(histories, 20), root / "dataset")
    train(Dataset.load(root / "dataset"), root / "model", FAST)
    return root


def test_a_model_is_measured_beside_all_baselines(folders):
    result = evaluate(folders / "dataset", folders / "model", None, options=EvaluationOptions(unmasked=True))
    assert len(result.baselines) == 7
    assert result.metrics["ndcg@10"] > result.baselines["popularity"]["ndcg@10"]
    assert {
        "ndcg@10/unmasked",
        "coverage@10",
        "gini@10",
        "novelty@10",
        "diversity@10",
        "tail/ndcg@10",
    } <= set(result.metrics)
    low, high = result.intervals["ndcg@10"]
    assert low <= result.metrics["ndcg@10"] <= high
    assert result.notes["cases"] == "60"
    assert result.notes["split"] == "leave-last-out"


def test_figures_are_the_same_each_time(folders):
    options = EvaluationOptions(baselines=False)
    first, second = (evaluate(folders / "dataset", folders / "model", None, options=options) for _ in range(2))
    assert (first.metrics, first.intervals) == (second.metrics, second.intervals)


def test_another_data_set_is_refused(folders, tmp_path):
    data = dataset_of([rows.tolist() for rows in two_worlds(users=30)], 20)
    card = msgspec.structs.replace(data.card, files={"items.parquet": "other"})
    save_dataset(Dataset(card, *(getattr(data, name) for name in Dataset.__slots__[1:])), tmp_path / "other")
    with pytest.raises(DataError, match="was trained on another data set than made"):
        evaluate(tmp_path / "other", folders / "model", None)


def test_another_split_is_refused(folders):
    with pytest.raises(DataError, match="was trained with split 'leave-last-out', so on test cases of 'global-time'"):
        evaluate(folders / "dataset", folders / "model", None, split="global-time")


def test_nothing_to_evaluate_is_refused(folders):
    with pytest.raises(ValueError, match="give --model, --bundle or both"):
        evaluate(folders / "dataset", None, None)


def test_a_missing_model_is_one_clear_error(folders, tmp_path):
    with pytest.raises(ModelError, match="is not a model"):
        evaluate(folders / "dataset", tmp_path / "nowhere", None)


def test_the_model_records_what_evaluate_checks(folders):
    card = msgspec.json.decode((folders / "model" / "model.json").read_bytes(), type=ModelCard)
    assert card.dataset_digest == dataset_digest(Dataset.load(folders / "dataset").card)
    assert card.split == "leave-last-out"


def test_cross_validation_tests_every_user_once(folders):
    result = cross_validate(folders / "dataset", FAST, 3)
    assert result.notes["cases"] == "60"
    assert result.notes["split"].startswith("3 folds by user")
    assert result.metrics["ndcg@10"] > result.baselines["popularity"]["ndcg@10"]


def test_origins_are_measured_together_and_each(tmp_path):
    histories = [rows.tolist() for rows in two_worlds(users=60, items=40, length=12)]
    times = [[10 * step + user % 10 for step in range(12)] for user in range(60)]
    save_dataset(dataset_of(histories, 40, times), tmp_path / "dataset")
    result = evaluate_origins(tmp_path / "dataset", FAST, 2)
    assert result.notes["split"].startswith("rolling-origin")
    assert result.notes["origins"] == "1970-01-01, 1970-01-01"
    cases = dict(part.rsplit(" ", 1) for part in result.notes["cases by slice"].split(", "))
    counts = [int(cases[f"origin-{number}"]) for number in (1, 2)]
    assert sum(counts) == int(result.notes["cases"]) > 60
    for figures in (result.metrics, result.baselines["ease"]):
        each = [figures[f"origin-{number}/ndcg@10"] for number in (1, 2)]
        assert figures["ndcg@10"] == pytest.approx(np.average(each, weights=counts))
    assert result.metrics["ndcg@10"] > result.baselines["popularity"]["ndcg@10"]


def test_the_command_is_cheap_to_import():
    line = (
        "import sys, pocketrec_training.commands.evaluate;"
        "print([m for m in ('torch', 'polars', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
