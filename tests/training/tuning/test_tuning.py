"""A search finds what trains better, by validation users alone, and outlives whatever kills it."""

import dataclasses
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from made_data import dataset_of, save_dataset, two_worlds
from optuna.trial import TrialState

from pocketrec.config import load_config
from pocketrec.errors import DataError
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.train import TrainConfig, fit_model, tower_quality
from pocketrec_training.tuning import SearchSpace, TuneOptions, tune
from pocketrec_training.tuning.report import trial_metrics, trial_table
from pocketrec_training.tuning.study import REASON
from pocketrec_training.tuning.trial import SAME_AS

ITEMS = 20
FIXED = """
[train]
dim = 8
encoder = {{folder = "{encoder}", max_tokens = 8}}
tower = {{hidden = 16, history = 6, dropout = 0.1, layers = 1}}
scorer.hidden = 4
candidates = 6
scorer_training.epochs = 3
[train.training]
epochs = {epochs}
batch = 8
"""
RATES = """
search."training.rate" = {choices = [1e-9, 0.02]}
"""


@pytest.fixture(scope="module")
def data():
    return dataset_of(two_worlds(users=60, items=ITEMS), ITEMS)


@pytest.fixture
def space_of(toy_encoder, tmp_path):
    def write(search, epochs=6):
        path = tmp_path / "space.toml"
        path.write_text(search + FIXED.format(encoder=toy_encoder, epochs=epochs))
        return SearchSpace.load(path)

    return write


def figures_of(tuned):
    return sorted((tuple(trial.params.items()), trial.value) for trial in tuned.trials if trial.state.is_finished())


def test_of_two_settings_the_one_that_can_learn_is_best(data, space_of, tmp_path):
    space = space_of(RATES, epochs=24)
    tuned = tune(data, space, tmp_path / "study", tmp_path / "best.toml", TuneOptions(trials=6, objective="tower"))
    assert tuned.best.params == {"training.rate": 0.02}
    values = {trial.params["training.rate"]: trial.value for trial in tuned.trials}
    assert values[0.02] > values[1e-9] + 0.1
    assert load_config(TrainConfig, tmp_path / "best.toml") == space.config({"training.rate": 0.02})
    # Two settings are trained twice in all; the other four trials took their figures over.
    assert sum(SAME_AS in trial.user_attrs for trial in tuned.trials) == 4
    assert trial_table(tuned.trials).splitlines()[1].split()[:2] == [str(tuned.best.number), f"{tuned.best.value:.4f}"]


def test_figures_are_those_that_training_writes_into_the_card(data, space_of, tmp_path):
    space, split = space_of('search."training.rate" = {choices = [0.02]}'), make_split(data, "leave-last-out")
    cards = [fit_model(data, split, space.config({"training.rate": 0.02}), seed).card.validation for seed in (3, 4)]
    assert "ndcg@10" in cards[0], "the scorer learnt nothing: the blend isn't tested"
    for objective, key in (("blend", "ndcg@10"), ("tower", "tower/ndcg@10")):
        options = TuneOptions(trials=1, seeds=(3, 4), objective=objective)
        tuned = tune(data, space, tmp_path / objective, tmp_path / "best.toml", options)
        metrics = trial_metrics(tuned.trials)
        assert [metrics[f"trial-0/seed-{seed}/ndcg@10"] for seed in (3, 4)] == [card[key] for card in cards]
        assert tuned.best.value == pytest.approx(np.mean([card[key] for card in cards]))
        assert metrics["trial-0/ndcg@10"] == tuned.best.value


def test_test_users_are_never_looked_at(data, space_of, tmp_path):
    space = space_of('search."training.rate" = {low = 1e-3, high = 0.1, log = true}', epochs=2)
    rows = data.rows.copy()
    last = data.offsets[1:] - 1
    rows[last] = (rows[last] + 7) % ITEMS
    other = dataclasses.replace(data, rows=rows)
    assert np.mean(rows != data.rows) == pytest.approx(1 / 6)
    found = [
        tune(each, space, tmp_path / name, tmp_path / "best.toml", TuneOptions(trials=3, objective="blend"))
        for name, each in (("one", data), ("two", other))
    ]
    assert figures_of(found[0]) == figures_of(found[1])
    # While a validation target makes a difference.
    rows[last - 1] = (rows[last - 1] + 7) % ITEMS
    third = tune(other, space, tmp_path / "three", tmp_path / "best.toml", TuneOptions(trials=3, objective="blend"))
    assert figures_of(third) != figures_of(found[0])


def test_what_falls_behind_is_given_up_and_counted(data, space_of, tmp_path):
    search = 'search."training.rate" = {low = 1e-9, high = 0.1, log = true}\npruning = {startup = 2, warmup = 1}\n'
    options = TuneOptions(trials=8, objective="tower")
    tuned = tune(data, space_of(search, epochs=4), tmp_path / "study", tmp_path / "best.toml", options)
    metrics = trial_metrics(tuned.trials)
    pruned = [trial for trial in tuned.trials if trial.state == TrialState.PRUNED]
    assert metrics["trials/complete"] + metrics["trials/pruned"] == len(tuned.trials) == 8
    assert metrics["trials/pruned"] == len(pruned) >= 1
    for trial in pruned:
        assert max(trial.intermediate_values) < 4, "nothing was saved"
        assert max(trial.intermediate_values.values()) < tuned.best.value
        assert f"pruned after epoch {trial.last_step}" in trial_table(tuned.trials)
    assert tuned.trials.index(pruned[0]) >= metrics["trials/complete"], "completed trials stand first"


def test_settings_that_do_not_go_together_fail_with_their_reason_and_the_search_goes_on(data, space_of, tmp_path):
    space = space_of('search."tower.heads" = {choices = [2, 3]}', epochs=1)
    tuned = tune(data, space, tmp_path / "study", tmp_path / "best.toml", TuneOptions(trials=6, objective="tower"))
    failed = [trial for trial in tuned.trials if REASON in trial.user_attrs]
    assert {trial.params["tower.heads"] for trial in failed} == {3}
    assert tuned.best.params == {"tower.heads": 2}
    assert len(failed) == trial_metrics(tuned.trials)["trials/failed"] < len(tuned.trials) == 6
    assert "tower.heads=3 doesn't divide dim=8" in failed[0].user_attrs[REASON]
    only = space_of('search."tower.heads" = {choices = [3]}')
    with pytest.raises(DataError, match=r"none of 2 trials was completed: tower\.heads=3"):
        tune(data, only, tmp_path / "other", tmp_path / "best.toml", TuneOptions(trials=2, objective="tower"))


def test_a_study_is_taken_up_with_the_trials_it_has_and_holds_one_search_alone(data, space_of, tmp_path):
    space = space_of('search."training.rate" = {low = 1e-4, high = 0.1, log = true}', epochs=1)
    study, out = tmp_path / "study ? #1.sqlite", tmp_path / "best.toml"
    whole = tune(data, space, tmp_path / "whole", out, TuneOptions(trials=12, objective="tower"))
    first = tune(data, space, study, out, TuneOptions(trials=11, objective="tower"))
    again = tune(data, space, study, out, TuneOptions(trials=11, objective="tower"))
    assert study.exists()
    assert [trial.datetime_complete for trial in again.trials] == [trial.datetime_complete for trial in first.trials]
    more = tune(data, space, study, out, TuneOptions(trials=12, objective="tower"))
    assert figures_of(more) == figures_of(whole)
    assert more.importance == {"training.rate": 1.0}
    for options in (
        TuneOptions(trials=12, objective="blend"),
        TuneOptions(trials=12, objective="tower", seeds=(1,)),
        TuneOptions(trials=12, objective="tower", seed=1),
    ):
        with pytest.raises(DataError, match="can't be compared"):
            tune(data, space, study, out, options)
    with pytest.raises(DataError, match="another space"):
        tune(data, space_of(RATES), study, out, TuneOptions(trials=12, objective="tower"))


def test_a_killed_search_goes_on_as_if_nothing_had_been(data, space_of, tmp_path, capsys):
    space = space_of('search."training.rate" = {low = 1e-4, high = 0.1, log = true}', epochs=12)
    save_dataset(data, tmp_path / "dataset")
    study, out = tmp_path / "study.sqlite", tmp_path / "best.toml"
    words = (
        f"tune --data {tmp_path / 'dataset'} --space {tmp_path / 'space.toml'} --study {study} --trials 4 --out {out}"
    )
    words += " --objective tower"
    program = "import sys; from pocketrec.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", program, *words.split()], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600  # on a busy machine
    while not (states := states_in(study)).get("COMPLETE") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    from pocketrec.cli import main

    assert main(words.split()) == 1, "two processes at one study"
    assert "another process" in capsys.readouterr().err
    while not (states := states_in(study)).get("RUNNING") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert states_in(study).get("RUNNING") == 1, states
    kept = states_in(study)["COMPLETE"]
    assert out.exists(), "the best so far is there at any time"

    assert main(words.split()) == 0
    said = capsys.readouterr().out
    assert said.count("killed\n") == 1
    assert "4 complete, 0 pruned, 0 failed, 1 killed" in said
    assert 1 <= kept < 4
    whole = tune(data, space, tmp_path / "whole", tmp_path / "b.toml", TuneOptions(trials=4, objective="tower"))
    assert load_config(TrainConfig, out) == load_config(TrainConfig, tmp_path / "b.toml")
    assert f"{whole.best.value:.4f}" in said


def test_a_file_of_another_kind_is_left_alone(data, space_of, tmp_path):
    space, out = space_of(RATES), tmp_path / "best.toml"
    text, base = tmp_path / "notes.txt", tmp_path / "mine.sqlite"
    text.write_text("my notes " * 100)
    with sqlite3.connect(base) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for path in (text, base):
        before = path.read_bytes()
        with pytest.raises(DataError, match="study"):
            tune(data, space, path, out, TuneOptions(trials=1))
        assert path.read_bytes() == before
    assert not out.exists()


def test_the_tower_alone_is_measured_as_in_the_whole_model(data, space_of):
    config, split = space_of(RATES).config({"training.rate": 0.02}), make_split(data, "leave-last-out")
    assert tower_quality(data, split, config, 5) == fit_model(data, split, config, 5).card.validation["tower/ndcg@10"]


def states_in(study):
    if not study.exists():
        return {}
    try:
        with sqlite3.connect(f"file:{study}?mode=ro", uri=True) as connection:
            return dict(connection.execute("SELECT state, count(*) FROM trials GROUP BY state"))
    except sqlite3.OperationalError:  # not there yet, or just being written
        return {}


def test_what_no_model_can_be_fails_with_its_reason_too(data, space_of, tmp_path):
    kinds = 'search.kind = {choices = ["tower", "factorisation"]}'
    space = space_of(kinds + '\nsearch."encoder.tune" = {choices = ["top:1"]}\n', epochs=1)
    tuned = tune(data, space, tmp_path / "study", tmp_path / "best.toml", TuneOptions(trials=6, objective="tower"))
    failed = [trial for trial in tuned.trials if REASON in trial.user_attrs]
    assert {trial.params["kind"] for trial in failed} == {"factorisation"}
    assert "set kind=tower" in failed[0].user_attrs[REASON]
