"""`pocketrec sizes`: every size of an experiment's models exported, measured and timed."""

import shutil
import time

import numpy as np
import pytest
from msgspec.structs import replace

from pocketrec.cli import main
from pocketrec.config import load_config
from pocketrec.manifest import Manifest
from pocketrec.results import Result
from pocketrec_bench import sizes
from pocketrec_bench.size_latency import RUN, WARM_UP, medians
from pocketrec_bench.sizes import SIZES
from pocketrec_bench.typed_requests import TypedRequests
from pocketrec_export.distil.distillation import DistilConfig, NanoConfig, ShallowConfig
from pocketrec_export.export import ExportConfig
from pocketrec_export.model import Model
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.train import train

STUDENT = DistilConfig(
    held_out=0.2,
    prune_vocabulary=("tiny", "nano"),
    tiny=ShallowConfig(layers=1, epochs=1),
    nano=NanoConfig(width=16, epochs=1),
)


@pytest.fixture(scope="module")
def experiment(shop_folder, toy_config, toy_encoder, tmp_path_factory):
    """What `pocketrec experiment` leaves, as far as sizes are concerned."""
    from text_models import SHAPES

    folder = tmp_path_factory.mktemp("shop-experiment")
    shutil.copytree(shop_folder, folder / "dataset")
    text_model = SHAPES["bert"].write(folder / "encoder")
    shop, encoder = Dataset.load(folder / "dataset"), replace(toy_config.encoder, folder=str(text_model))
    for stem, split in (("seed", "leave-last-out"), ("cold", "cold-items")):
        train(shop, folder / f"{stem}-0" / "model", replace(toy_config, encoder=encoder, split=split))
    return folder


@pytest.fixture
def measured(experiment, monkeypatch, tmp_path, capsys):
    # The gate's search for what to spare, in encoders that know nothing, would take minutes.
    quick = load_config(ExportConfig, overrides=["gate.cases=20", "gate.bound=1"])
    monkeypatch.setattr(sizes, "_EXPORT", replace(quick, student=STUDENT))
    assert main(["sizes", str(experiment), "--calls", "10", "--json", str(tmp_path / "export.json")]) == 0
    return Result.read(tmp_path / "export.json"), capsys.readouterr().out


def test_each_size_is_measured_against_the_model_and_timed(experiment, measured):
    result, said = measured
    for size in SIZES:
        own = "base" if size == "small" else size  # of two layers, `small` is the model itself
        manifests = [Manifest.read(experiment / "sizes" / stem / own) for stem in ("seed", "cold")]
        assert {manifest.provenance["size"] for manifest in manifests} == {own}
        held = [sum(each.files[name].bytes for name in ("encoder.onnx", "tokenizer.json")) for each in manifests]
        assert result.metrics[f"{size}/encoder_mb"] == pytest.approx(max(held) / 1e6, abs=1e-3)
        assert result.metrics[f"{size}/encode_p50_ms"] > 0
        assert f"{size} " in said
        for stem, key, share in (("seed", "ndcg@10", "ndcg_share"), ("cold", "cold/ndcg@10", "cold_ndcg_share")):
            folder = experiment / f"{stem}-0" / "model"
            model = evaluate(experiment / "dataset", folder, None).metrics[key]
            shipped = evaluate(experiment / "dataset", None, experiment / "sizes" / stem / own).metrics[key]
            assert result.metrics[f"{size}/{share}"] == pytest.approx(shipped / model, abs=1e-3)
            assert result.metrics[f"{experiment.name}/{size}/{share}"] == result.metrics[f"{size}/{share}"]
    assert not (experiment / "sizes" / "seed" / "small").exists()
    assert result.metrics["base/encoder_mb"] > result.metrics["nano/encoder_mb"]
    ratio = result.metrics["sentence-transformers/encode_p50_ms"] / result.metrics["small/encode_p50_ms"]
    assert result.metrics["small/speedup_over_sentence_transformers"] == pytest.approx(ratio, abs=0.01)
    assert ratio > 1  # of two layers, beside MiniLM's six
    assert result.metrics["scorer_p50_ms"] > 0
    assert result.metrics["tower_p50_ms"] > 0
    assert result.metrics["batch_delta_max"] <= 1e-5


def test_what_is_there_is_not_done_again(experiment, measured):
    before = {path: path.stat().st_mtime_ns for path in (experiment / "sizes").rglob("*") if path.is_file()}
    assert main(["sizes", str(experiment), "--calls", "2"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (experiment / "sizes").rglob("*") if path.is_file()} == before


def test_requests_of_history_and_text_are_asked_of_model_and_bundles(experiment, measured):
    asked = TypedRequests.of(experiment / "dataset", "leave-last-out")
    shop = Dataset.load(experiment / "dataset")
    assert len(asked.queries) > 50
    wanted = shop.items[int(asked.targets[0][0])].title
    assert wanted.startswith(asked.queries[0])
    trained = Model.load(experiment / "seed-0" / "model")
    ranker = ModelRanker(trained)
    typed, untyped = ranker.ask(asked.histories, asked.queries, 10), ranker.rank(asked.histories, 10)
    assert not np.array_equal(typed, untyped)
    model = asked.model(trained)
    for size in ("base", "tiny", "nano"):
        shipped = asked.bundle(experiment / "sizes" / "seed" / size)
        assert measured[0].metrics[f"{size}/text_history_ndcg_share"] == pytest.approx(shipped / model, abs=1e-3)
    assert measured[0].metrics["base/text_history_ndcg_share"] == pytest.approx(1, abs=0.05)


def test_sizes_of_another_model_are_not_taken_for_this_ones(experiment, measured, tmp_path, monkeypatch, capsys):
    other = shutil.copytree(experiment, tmp_path / "other")
    card = other / "seed-0" / "model" / "model.json"
    card.write_text(card.read_text().replace('"seed":0', '"seed":1').replace('"seed": 0', '"seed": 1'))
    assert main(["sizes", str(other), "--calls", "2"]) == 1
    assert "holds sizes of a model with other settings" in capsys.readouterr().err


def test_of_a_model_that_finds_nothing_there_is_no_share(experiment, measured, capsys):
    kept = experiment / "sizes" / "cold" / "model.json"
    whole = Result.read(kept)
    replace(whole, metrics={**whole.metrics, "cold/ndcg@10": 0.0}).write(kept)
    try:
        result = sizes.measure_sizes([experiment], calls=2)
        assert main(["sizes", str(experiment), "--calls", "2"]) == 0
    finally:
        whole.write(kept)
    assert not [key for key in result.metrics if "cold_ndcg_share" in key]
    assert "base/ndcg_share" in result.metrics


def test_a_folder_without_models_is_one_clear_error(tmp_path, capsys):
    assert main(["sizes", str(tmp_path)]) == 1
    assert "holds no seed-N/model" in capsys.readouterr().err


def test_ways_take_turns_and_the_first_places_warm_up():
    order, count = [], WARM_UP + RUN + 9

    def way(name, seconds):
        def at(place):
            order.append((place, name))
            time.sleep(seconds if place >= WARM_UP else 0.05)

        return at

    found = medians({"slow": way("slow", 4e-3), "fast": way("fast", 0)}, count)
    runs = [range(start, min(start + RUN, count)) for start in range(0, count, RUN)]
    assert order == [(place, name) for run in runs for name in ("slow", "fast") for place in run]
    assert 4 <= found["slow"] < 50
    assert found["fast"] < 4
