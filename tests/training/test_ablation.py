"""An ablation sets each variant beside the base, finds what was broken, and trains nothing twice."""

from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from toys import write_shop

from pocketrec.cli import main
from pocketrec.config import load_config
from pocketrec.errors import ConfigError, DataError
from pocketrec.results import Result
from pocketrec_export.model import Model
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.significance import permutation_test
from pocketrec_training.experiments.ablation import Ablation, AblationConfig, Reached, run_ablation
from pocketrec_training.experiments.ablation_result import _metrics, ablation_result, ablation_rows
from pocketrec_training.neighbours.choice import NeighbourChoiceConfig

CONFIGS = Path(__file__).parent.parent.parent / "training" / "configs"
BROKEN = (
    "train.training.rate=1e-6",
    "train.training.epochs=1",
    "train.neighbours.fits=[]",
    "train.neighbours.followers=[]",
)
SAME_TOWER = ("base", "without neighbours", "without residual")
VARIANTS = {
    "frozen": ("train.encoder.tune=none",),
    "broken": BROKEN,
    "without residual": ("train.training.residual=false",),
    "without neighbours": ("train.neighbours.fits=[]",),
}


@pytest.fixture(scope="module")
def shop_file(toy_encoder, tmp_path_factory):
    """The toy shop as an experiment of a file."""
    path = tmp_path_factory.mktemp("configs") / "shop.toml"
    path.write_text(
        f"""
        [train]
        dim = 16
        candidates = 12
        encoder = {{folder = "{toy_encoder}", max_tokens = 16}}
        tower = {{hidden = 32, history = 10, dropout = 0.1}}
        training = {{epochs = 6, batch = 16, rate = 0.01}}
        scorer = {{hidden = 8}}
        scorer_training = {{epochs = 10}}
        """
    )
    return path


def ablation_of(shop_file, variants, **options):
    return Ablation.of("quick", AblationConfig(experiment="shop", variants=variants, **options), shop_file)


@pytest.fixture(scope="module")
def done(shop_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    ablation = ablation_of(shop_file, VARIANTS, users_share=0.8)
    source, work = write_shop(folder / "shop"), folder / "work"
    return source, work, ablation_result(ablation, run_ablation(source, work, ablation))


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_variant_that_breaks_training_loses_beyond_chance(done):
    _, work, result = done
    cases = [
        CaseFile.load(work / name / "seed-0" / "evaluate.cases.npz").values["model/ndcg@10"]
        for name in ("broken", "base")
    ]
    lead, tested = result.metrics["broken/over/base/ndcg@10"], 3
    assert lead == pytest.approx(cases[0].mean() - cases[1].mean())
    assert lead == pytest.approx(result.metrics["broken/ndcg@10"] - result.metrics["base/ndcg@10"], abs=1e-6)
    assert result.metrics["broken/over/base/effect"] < -0.5
    assert result.metrics["broken/over/base/p"] == pytest.approx(tested * permutation_test(*cases))
    assert result.metrics["broken/over/base/p"] < 0.01
    low, high = result.intervals["broken/over/base/ndcg@10"]
    assert low < lead < high < 0
    low, high = result.intervals["without residual/over/base/ndcg@10"]
    assert low < result.metrics["without residual/over/base/ndcg@10"] < high
    assert result.metrics["broken/over/base/effect"] < result.metrics["without residual/over/base/effect"]
    for name in ("base", "broken", "without residual"):
        low, high = result.intervals[f"{name}/ndcg@10"]
        assert low <= result.metrics[f"{name}/ndcg@10"] <= high


def test_cold_figures_are_those_of_models_that_never_met_the_items(done):
    _, work, result = done
    for name in ("base", "broken"):
        cold = Result.read(work / name / "cold-0" / "evaluate.json")
        assert (cold.notes["split"], cold.notes["subject"]) == ("cold-items", "model")
        assert result.metrics[f"{name}/cold/ndcg@10"] == cold.metrics["cold/ndcg@10"]
        assert f"{name}/cold/ndcg@10" in result.intervals
    assert "broken/cold/over/base/p" in result.metrics


@pytest.mark.parametrize(("source", "alike"), [("tower", "without neighbours"), ("neighbours", "without residual")])
def test_a_source_of_candidates_is_tested_by_itself_where_it_isnt_the_bases(done, source, alike):
    _, work, result = done
    alone = {
        name: CaseFile.load(work / name / "seed-0" / "evaluate.cases.npz").values[f"{source}/ndcg@10"]
        for name in ("base", "broken", "without residual", "without neighbours")  # "frozen" is the base
    }
    others = {name for name, values in alone.items() if not np.array_equal(values, alone["base"])}
    assert "broken" in others
    assert alike not in others
    lead = result.metrics[f"broken/{source}/over/base/ndcg@10"]
    assert lead == pytest.approx(alone["broken"].mean() - alone["base"].mean())
    p = permutation_test(alone["broken"], alone["base"])
    assert result.metrics[f"broken/{source}/over/base/p"] == pytest.approx(len(others) * p)
    assert {key.split("/")[0] for key in result.metrics if f"/{source}/over/" in key} == others
    header, *lines = ablation_rows(result)
    place = header.index(f"{source}/ndcg@10")
    assert {line[0] for line in lines if line[place + 1]} == others
    assert all(line[place] for line in lines)


def test_baselines_stand_beside_the_base_alone(done):
    _, work, result = done
    base, broken = (Result.read(work / name / "seed-0" / "evaluate.json") for name in ("base", "broken"))
    assert result.baselines["ease"]["ndcg@10"] == base.baselines["ease"]["ndcg@10"]
    assert not broken.baselines
    assert not list(work.rglob("manifest.json"))


def test_variants_that_differ_in_neighbours_alone_share_a_tower(done):
    _, work, _ = done
    base, alike, other = (Model.load(work / name / "seed-0" / "model") for name in SAME_TOWER)
    assert np.array_equal(base.vectors, alike.vectors)
    assert not np.array_equal(base.vectors, other.vectors)
    assert len(base.neighbours.weights) > len(alike.neighbours.weights) == 0
    trained, splits = ("base", "broken", "without residual"), ("leave-last-out", "cold-items")
    assert len(list((work / "shared" / "towers").iterdir())) == len(trained) * len(splits)


def test_all_variants_take_the_same_fits_of_each_way_of_neighbours(done):
    _, work, _ = done
    ways, splits, times = NeighbourChoiceConfig(), 2, 2  # to choose, and once more with validation's targets
    fitted = list((work / "shared" / "fits").iterdir())
    of_all = (len(ways.fits) + len(ways.followers)) * splits
    assert of_all < len(fitted) <= of_all * times
    last = max(path.stat().st_mtime_ns for path in (work / "base").rglob("model.json"))
    assert all(path.stat().st_mtime_ns < last for path in fitted)  # the base fits all that the others need
    base, other = (Model.load(work / name / "seed-0" / "model") for name in ("base", "without residual"))
    assert np.array_equal(base.followers.weights, other.followers.weights)


def test_all_learn_from_the_same_share_of_users(done):
    _, work, result = done
    users = Dataset.load(work / "dataset").user_ids
    assert 80 < len(users) < 110  # of 120
    assert result.notes["users share"] == "0.8"
    assert result.notes["cases"] == str(len(users))


def test_a_variant_like_the_base_shares_its_training_and_is_not_tested(done):
    _, work, result = done
    assert sorted(path.name for path in work.iterdir() if path.is_dir()) == [
        "base",
        "broken",
        "dataset",
        "shared",
        "without neighbours",
        "without residual",
    ]
    assert result.metrics["frozen/ndcg@10"] == result.metrics["base/ndcg@10"]
    assert "frozen/over/base/p" not in result.metrics
    assert result.notes["variant frozen"] == "train.encoder.tune=none (which is base)"


def test_what_is_there_is_not_done_again_and_a_new_variant_is(done, shop_file):
    source, work, result = done
    before = times(work)
    again = ablation_of(shop_file, VARIANTS, users_share=0.8)
    assert ablation_result(again, run_ablation(source, work, again)).metrics == result.metrics
    assert times(work) == before
    (work / "broken" / "seed-0" / "evaluate.json").unlink()  # as if killed while it was measured
    more = ablation_of(shop_file, {**VARIANTS, "narrow": ("train.dim=4",)}, users_share=0.8, cold=())
    later = ablation_result(more, run_ablation(source, work, more))
    after = times(work)
    changed = {path.relative_to(work).parts[0] for path in after if after[path] != before.get(path)}
    assert changed == {"broken", "narrow", "shared"}
    model = work / "broken" / "seed-0" / "model" / "model.json"
    assert after[model] == before[model]
    assert later.metrics["broken/ndcg@10"] == result.metrics["broken/ndcg@10"]
    assert later.metrics["narrow/ndcg@10"] > 0
    assert "broken/cold/over/base/p" not in later.metrics
    assert len(ablation_rows(later)[0]) == len(ablation_rows(result)[0]) - 3


def test_settings_are_never_mixed(done, shop_file):
    source, work, _ = done
    before = times(work)
    other = ablation_of(shop_file, {"broken": ("train.dim=4",)}, users_share=0.8)
    with pytest.raises(DataError, match="broken holds a variant with other settings"):
        run_ablation(source, work, other)
    with pytest.raises(DataError, match="work holds an ablation with other settings"):
        run_ablation(source, work, ablation_of(shop_file, VARIANTS, users_share=0.7))
    assert times(work) == before


def test_the_command_shows_every_variant_and_writes_the_result(done, shop_file, tmp_path, capsys):
    source, work, result = done
    changes = "".join(f"{name!r} = {list(lines)}\n" for name, lines in VARIANTS.items())
    path = tmp_path / "quick.toml"
    path.write_text(f"experiment = {str(shop_file)!r}\nusers_share = 0.8\n[variants]\n{changes}")
    words = ["ablate", path, "--source", source, "--work", work, "--json", tmp_path / "result.json"]
    assert main([str(word) for word in words]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line[:16].rstrip() for line in shown[1:5]] == ["base", "frozen", "broken", "without residual"]
    more = 4 + 2 + 2 + 2 + 2  # difference, its interval, effect, p; of tower, neighbours, cold items difference, p
    assert len(shown[3].split()) == len(shown[1].split()) + more
    written = Result.read(tmp_path / "result.json")
    assert (written.name, written.command) == ("ablation-quick", "pocketrec ablate quick")
    assert (written.metrics, written.intervals) == (result.metrics, result.intervals)


def test_new_items_of_the_main_split_are_not_taken_for_those_that_were_held_out():
    main = SimpleNamespace(metrics=lambda: {"ndcg@10": 0.5, "cold/ndcg@10": 1.0}, train_s=1.0)
    assert _metrics(Reached(main, None)) == {"ndcg@10": 0.5, "train_s": 1.0}


def test_what_all_share_is_changed_for_all_and_only_the_named_meet_cold_items(shop_file, tmp_path):
    ablation = ablation_of(
        shop_file,
        {"wide": ("train.dim=32",), "still": ("train.training.rate=1e-6",)},
        base=("train.training.epochs=2", "train.refit=0"),
        cold=("still",),
    )
    assert {config.training.epochs for config in ablation.variants.values()} == {2}
    reached = run_ablation(write_shop(tmp_path / "shop"), tmp_path / "work", ablation)
    result = ablation_result(ablation, reached)
    assert {name for name in reached if f"{name}/cold/ndcg@10" in result.metrics} == {"base", "still"}
    assert "still/cold/over/base/p" in result.metrics
    header, base, wide, still = ablation_rows(result)
    place = header.index("cold/ndcg@10")
    assert wide[place : place + 3] == ["", "", ""]
    assert base[place]
    assert all(still[place : place + 3])


def test_where_all_are_trained_without_cold_items_the_same_models_say_how_those_are_found(shop_file, tmp_path):
    base = ("train.split=cold-items", "train.training.epochs=2", "train.refit=0")
    ablation, work = ablation_of(shop_file, {"still": ("train.training.rate=1e-6",)}, base=base), tmp_path / "work"
    reached = run_ablation(write_shop(tmp_path / "shop"), work, ablation)
    assert not list(work.rglob("cold-*"))
    result = ablation_result(ablation, reached)
    assert result.notes["cold"].endswith("split cold-items, seeds 0")
    for name in ("base", "still"):
        alone = Result.read(work / name / "seed-0" / "evaluate.json")
        assert alone.notes["split"] == "cold-items"
        for key in ("ndcg@10", "cold/ndcg@10"):
            assert result.metrics[f"{name}/{key}"] == alone.metrics[key]
    assert "still/cold/over/base/p" in result.metrics
    once = sum(found.main.duration_s for found in reached.values())
    assert result.duration_s == pytest.approx(once, abs=0.1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base": ("seeds=[3]",)}, r"base changes what isn't a model's"),
        ({"base": ("train.split=cold-items",), "cold": ("wide",)}, "leave cold out"),
        ({"cold": ("broad",)}, "cold names broad: not among the variants"),
    ],
)
def test_what_all_share_is_checked_too(shop_file, options, words):
    with pytest.raises(ConfigError, match=words):
        ablation_of(shop_file, {"wide": ("train.dim=32",)}, **options)


@pytest.mark.parametrize(
    ("variant", "changes", "words"),
    [
        ("typo", ("train.encoder.tun=none",), r"variant 'typo': .*shop.toml: .*tun"),
        ("word", ("train.training.epochs=many",), "variant 'word': .*epochs"),
        ("line", ("train.dim",), "variant 'line': .*KEY=VALUE"),
        ("data", ("prepare.min_user_count=9",), "variant 'data' changes what all variants share"),
        ("seeds", ("seeds=[3]",), "variant 'seeds' changes"),
        ("split", ("train.split=global-time",), "variant 'split' changes"),
        ("base", ("train.dim=4",), "variant 'base': choose another name"),
    ],
)
def test_a_bad_variant_is_told_before_anything_is_trained(shop_file, variant, changes, words):
    with pytest.raises(ConfigError, match=words):
        ablation_of(shop_file, {"wide": ("train.dim=32",), variant: changes})


def test_names_are_such_that_every_file_system_takes_them():
    for name in ("a/b", "", "..", "top:2"):
        with pytest.raises(msgspec.ValidationError, match="variants"):
            msgspec.convert({"experiment": "shop", "variants": {name: ["train.dim=4"]}}, AblationConfig)


@pytest.mark.parametrize("path", sorted((CONFIGS / "ablations").glob("*.toml")), ids=lambda path: path.stem)
def test_every_variant_of_the_files_that_come_along_is_one_that_can_be_trained(path):
    config = load_config(AblationConfig, path)
    ablation = Ablation.of(path.stem, config, CONFIGS / f"{config.experiment}.toml")
    assert all(ablation.twin(name) == name for name in ablation.variants)
