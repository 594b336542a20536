"""Comparisons of runs: right on constructed differences, and no more often wrong than they say."""

import numpy as np
import pytest

from pocketrec import DataError
from pocketrec.cli import main
from pocketrec.results import Machine, Result
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.comparison import Compared, compare


def scores(random, cases, level):
    """Values as NDCG has them: mostly 0, and where there is a hit, something up to 1."""
    return (random.random(cases) < level) * random.choice([1.0, 0.63, 0.5, 0.3], cases)


def save_run(path, values, **notes):
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"subject": "bundle", "dataset digest": "d", "split": "leave-last-out", "cases": str(len(values))}
    Result(name="shop", command="evaluate", machine=Machine.here(), versions={}, notes=said | notes).write(path)
    CaseFile({"bundle/ndcg@10": values}, {}).save(CaseFile.beside(path))
    return path


def test_false_alarms_are_as_rare_as_the_level_says():
    """Both of a pair rank alike; at the level 0.05, one comparison in twenty may say otherwise."""
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        shared = scores(random, 200, 0.2)
        noise = [np.where(random.random(200) < 0.3, scores(random, 200, 0.2), shared) for _ in range(2)]
        (lead,) = compare({"a": noise[0], "b": noise[1]})
        alarms += lead.p < 0.05
    assert 1 <= alarms <= 21  # 10 expected, 3.5 standard deviations up


def test_among_many_equals_hardly_any_pair_is_called_different():
    random = np.random.default_rng(1)
    families = [compare({f"{i}": scores(random, 150, 0.3) for i in range(5)}) for _ in range(30)]
    assert sum(any(lead.p < 0.05 for lead in leads) for leads in families) <= 7  # 1.5 expected


def test_a_real_difference_is_found_with_its_size():
    random = np.random.default_rng(2)
    worse = scores(random, 2000, 0.2)
    better = np.where(random.random(2000) < 0.1, 1.0, worse)
    best, *_ = leads = compare({"worse": worse, "better": better, "same": worse.copy()})
    assert (best.ahead, best.p < 0.001) == ("better", True)
    low, high = best.difference.interval
    assert low < better.mean() - worse.mean() < high
    assert best.effect == pytest.approx((better - worse).mean() / (better - worse).std(ddof=1))
    (equal,) = [lead for lead in leads if {lead.ahead, lead.behind} == {"worse", "same"}]
    assert (equal.p, equal.effect, equal.difference.mean) == (1.0, 0.0, 0.0)


def save_experiment(folder, seeds):
    for number, values in enumerate(seeds):
        save_run(folder / f"seed-{number}" / "evaluate.json", values)
    return folder


def test_seeds_of_a_model_count_as_their_mean_case_by_case(tmp_path):
    random = np.random.default_rng(5)
    ours, theirs = [random.random(50) for _ in range(3)], [random.random(50) for _ in range(2)]
    one = save_experiment(tmp_path / "ours.v2", ours)
    paths = [save_run(tmp_path / f"theirs-{number}.json", values) for number, values in enumerate(theirs)]
    read = Compared.read([str(one), ",".join(map(str, paths))], "ndcg@10")
    assert list(read.values) == ["ours.v2, 3 seeds", "theirs-0, 2 seeds"]
    for values, seeds in zip(read.values.values(), (ours, theirs), strict=True):
        np.testing.assert_allclose(values, np.mean(seeds, axis=0), atol=1e-6)
    assert read.notes == {"dataset digest": "d", "split": "leave-last-out", "cases": "50"}


def test_several_seeds_show_what_one_hides():
    """Chance of training hides a small lead in one seed; the mean over many shows it."""
    random = np.random.default_rng(8)
    users = random.random(300)
    ours = [np.clip(users + 0.02 + random.normal(0, 0.15, 300), 0, 1) for _ in range(16)]
    theirs = [np.clip(users + random.normal(0, 0.15, 300), 0, 1) for _ in range(16)]
    (alone,) = compare({"ours": ours[0], "theirs": theirs[0]})
    (together,) = compare({"ours": np.mean(ours, axis=0), "theirs": np.mean(theirs, axis=0)})
    width = [high - low for low, high in (alone.difference.interval, together.difference.interval)]
    assert width[1] < width[0] / 3
    assert together.p < 0.001


def test_a_folder_without_seeds_and_a_seed_given_twice_are_told(tmp_path):
    folder = save_experiment(tmp_path / "run", [np.ones(5)])
    with pytest.raises(DataError, match=r"has no seed-\*/evaluate.json"):
        Compared.read([str(tmp_path), str(folder)], "ndcg@10")
    with pytest.raises(DataError, match="twice"):
        Compared.read([str(folder), str(folder / "seed-0" / "evaluate.json")], "ndcg@10")


def test_the_command_names_the_winner_and_draws_the_difference(tmp_path, capsys):
    random = np.random.default_rng(3)
    worse = scores(random, 500, 0.2)
    one = save_run(tmp_path / "frozen" / "evaluate.json", worse)
    two = save_run(tmp_path / "tuned" / "evaluate.json", np.maximum(worse, scores(random, 500, 0.2)))
    assert (
        main(["compare", str(one), str(two), "--plot", str(tmp_path / "leads.png"), "--json", str(tmp_path / "c")]) == 0
    )
    assert "tuned/evaluate  beats  frozen/evaluate" in " ".join(capsys.readouterr().out.split("\n")).replace(
        "   ", "  "
    )
    assert (tmp_path / "leads.png").stat().st_size > 5000
    assert Result.read(tmp_path / "c").metrics["tuned/evaluate over frozen/evaluate/p"] < 0.05


@pytest.mark.parametrize(("note", "value"), [("dataset digest", "e"), ("split", "global-time"), ("cases", "9")])
def test_runs_on_other_cases_are_refused(tmp_path, note, value):
    one, two = save_run(tmp_path / "a.json", np.ones(5)), save_run(tmp_path / "b.json", np.ones(5), **{note: value})
    with pytest.raises(DataError, match=note):
        Compared.read([str(one), str(two)], "ndcg@10")


def test_what_is_missing_is_named(tmp_path):
    one, two = save_run(tmp_path / "a.json", np.ones(5)), save_run(tmp_path / "b.json", np.ones(5))
    with pytest.raises(DataError, match="ndcg@10"):
        Compared.read([str(one), str(two)], "ndcg@50")
    with pytest.raises(DataError, match="twice"):
        Compared.read([str(one), str(one)], "ndcg@10")
    CaseFile.beside(two).unlink()
    with pytest.raises(DataError, match=r"b\.cases\.npz"):
        Compared.read([str(one), str(two)], "ndcg@10")
