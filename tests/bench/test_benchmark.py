import math

import matplotlib.image
import pytest

from pocketrec import Recommender, cli
from pocketrec.bundle import Bundle
from pocketrec.results import Result
from pocketrec_bench.latency import (
    HISTORY_STEPS,
    TEXT_STEPS,
    environment,
    measure,
    unchanged,
    walk_history,
    walk_text,
)
from pocketrec_bench.memory import peak_rss_mb
from pocketrec_bench.start_up import start_up
from pocketrec_bench.workload import Workload

KEYS = {
    *(f"{path}_top10_p{percent}_ms" for path in ("history", "text") for percent in (50, 95, 99)),
    *(f"{step}_p50_ms" for step in ("tokenise", "encode", "tower", "search", "scorer", "items")),
    "import_s",
    "load_s",
    "first_answer_s",
    "rss_mb",
    "bundle_mb",
}


@pytest.fixture(scope="module")
def opened(toy_bundle):
    return Bundle.open(toy_bundle)


@pytest.fixture(scope="module")
def timings(toy_bundle):
    return measure(toy_bundle, calls=60, text_calls=40)


def test_histories_are_as_long_as_the_tower_reads_and_without_repeats(opened):
    for history in Workload.of(opened, 20, 0, seed=0).histories:
        assert len(history) == len(set(history)) == opened.manifest.history
        assert set(history) <= set(opened.catalogue.ids)


def test_texts_are_all_different_and_of_exactly_sixteen_tokens(opened):
    texts = Workload.of(opened, 0, 200, seed=0).texts
    assert len(set(texts)) == 200
    assert {len(opened.encoder.reader.ids(text)) for text in texts} == {16}


def test_a_seed_fixes_the_requests(opened):
    assert Workload.of(opened, 5, 5, seed=3) == Workload.of(opened, 5, 5, seed=3)
    assert Workload.of(opened, 5, 5, seed=3) != Workload.of(opened, 5, 5, seed=4)


def test_every_call_and_every_step_of_it_is_timed(timings):
    steps = {f"history/{step}" for step in HISTORY_STEPS} | {f"text/{step}" for step in TEXT_STEPS}
    assert set(timings.samples) == {"history_top10", "text_top10"} | steps
    for name, times in timings.samples.items():
        assert len(times) == (60 if name.startswith("history") else 40)
        assert min(times) > 0


def test_the_steps_that_are_timed_lead_to_the_answer_that_recommend_gives(opened, toy_bundle):
    live, recommender = unchanged(opened), Recommender.load(toy_bundle)
    requests = Workload.of(opened, 30, 30, seed=1)
    for history in requests.histories:
        walk = walk_history(live, history)
        assert walk.ids == [answer.id for answer in recommender.recommend(history, k=10)]
        assert len(walk.clock) == len(HISTORY_STEPS) + 1
    for text in requests.texts:
        walk = walk_text(live, text)
        assert walk.ids == [answer.id for answer in recommender.recommend(query=text, k=10)]
        assert len(walk.clock) == len(TEXT_STEPS) + 1


def test_the_measuring_process_holds_memory_of_its_own(timings):
    import torch  # noqa: F401  its memory is this process's, not the measured one's

    assert 20 < timings.rss_mb < peak_rss_mb()


def test_native_code_is_held_to_the_threads_and_left_to_find_its_cpu(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    held = environment(1)
    assert "OPENBLAS_CORETYPE" not in held
    assert held["OMP_NUM_THREADS"] == held["OPENBLAS_NUM_THREADS"] == held["RAYON_NUM_THREADS"] == "1"


def test_the_first_answer_takes_longer_than_importing_and_loading(toy_bundle):
    start = start_up(toy_bundle, ["red-1"], runs=1)
    assert 0 < start.import_s + start.load_s < start.first_answer_s


def test_the_command_writes_figures_under_the_documented_keys_and_draws_them(toy_bundle, tmp_path, capsys):
    result, picture = tmp_path / "bench.json", tmp_path / "plots" / "latency.png"
    words = ["bench", "--bundle", str(toy_bundle), "--calls", "50", "--json", str(result), "--plot", str(picture)]
    assert cli.main(words) == 0
    read = Result.read(result)
    assert set(read.metrics) >= KEYS
    assert all(math.isfinite(value) and value > 0 for value in read.metrics.values())
    assert read.metrics["history_top10_p50_ms"] <= read.metrics["history_top10_p99_ms"]
    files = [value for name, value in read.metrics.items() if name.endswith("/bundle_mb")]
    assert sum(files) == pytest.approx(read.metrics["bundle_mb"], abs=0.01)
    assert "history -> top 10" in capsys.readouterr().out
    drawn = matplotlib.image.imread(picture)
    assert drawn.shape[0] > 400
    assert drawn.std() > 0.05
