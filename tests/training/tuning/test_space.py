"""A space says what is tried; whatever in it no training could take is refused, by name, before anything runs."""

import tomllib

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from pocketrec.config import load_config
from pocketrec.errors import ConfigError
from pocketrec_training.train import TrainConfig
from pocketrec_training.tuning import SearchSpace


def space_of(text, folder):
    path = folder / "space.toml"
    path.write_text(text)
    return SearchSpace.load(path)


def test_numbers_are_whole_where_the_setting_is(tmp_path):
    space = space_of(
        """
        search."training.rate" = {low = 3e-4, high = 3e-3, log = true}
        search."tower.dropout" = {low = 0, high = 0.5, step = 0.1}
        search."tower.hidden" = {low = 64, high = 256, step = 64}
        search."training.epochs" = {low = 2, high = 64, log = true}
        search."training.loss" = {choices = ["softmax", "bpr"]}
        """,
        tmp_path,
    )
    assert space.dimensions == {
        "training.rate": FloatDistribution(3e-4, 3e-3, log=True),
        "tower.dropout": FloatDistribution(0, 0.5, step=0.1),
        "tower.hidden": IntDistribution(64, 256, step=64),
        "training.epochs": IntDistribution(2, 64, log=True),
        "training.loss": CategoricalDistribution(("softmax", "bpr")),
    }


def test_what_is_tried_joins_what_stays_and_reads_back_as_a_config_file(tmp_path):
    space = space_of(
        """
        search."tower.layers" = {choices = [1, 2]}
        search."training.rate" = {low = 1e-5, high = 1e-2, log = true}
        search."encoder.folder" = {choices = ['a "quoted" \\ folder', "b"]}
        [train]
        dim = 32
        neighbours.fits = [{regularisation = 50.0, text_weight = 1.0}, {regularisation = 1e-3}]
        neighbours.decays = [1.0, 0.9]
        [train.training]
        correct_sampling = false
        """,
        tmp_path,
    )
    tried = {"tower.layers": 1, "training.rate": 1.23456789012e-05, "encoder.folder": 'a "quoted" \\ folder'}
    config = space.config(tried)
    assert (config.dim, config.tower.layers, config.training.rate) == (32, 1, 1.23456789012e-05)
    assert config.neighbours.fits[1].regularisation == 1e-3
    written = tmp_path / "best.toml"
    written.write_text(space.as_toml(tried))
    assert load_config(TrainConfig, written) == config
    assert tomllib.loads(written.read_text())["training"] == {"rate": tried["training.rate"], "correct_sampling": False}
    assert space.config({"training.rate": 3 * 0.1}).training.rate == 0.3
    assert space.config({"encoder.folder": "b"}).tower.layers == TrainConfig().tower.layers, (
        "trials don't see each other"
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "search"),
        ("search = {}", "search"),
        ('search."training.rat" = {low = 0.1, high = 1.0}', "'rat'"),
        ('search."rate" = {low = 0.1, high = 1.0}', "'rate'"),
        ('search."training.rate.peak" = {low = 0.1, high = 1.0}', "'peak'"),
        ('search."training" = {choices = [1]}', "section"),
        ('search."training.rate" = {low = 0.1}', "high"),
        ('search."training.rate" = {low = 0.1, high = 1.0, steps = 2}', "steps"),
        ('search."training.rate" = {low = 1.0, high = 0.1}', "above"),
        ('search."training.rate" = {low = 0.0, high = 1.0, log = true}', "log"),
        ('search."training.rate" = {low = 0.0, high = 1.0}', "> 0"),
        ('search."training.rate" = {low = "a", high = 1.0}', "low"),
        ('search."tower.dropout" = {low = 0.0, high = 1.0}', "< 1"),
        ('search."tower.dropout" = {low = 0.0, high = 0.5, step = 0.2}', "0.2"),
        ('search."tower.layers" = {low = 0.5, high = 2}', "0.5"),
        ('search."tower.layers" = {choices = []}', "choices"),
        ('search."tower.layers" = {choices = [1, 0]}', ">= 1"),
        ('search."tower.layers" = {choices = [1, "two"]}', "tower.layers"),
        ('search."training.loss" = {low = 1, high = 2}', "choices"),
        ('search."training.loss" = {choices = ["softmax", "hinge"]}', "hinge"),
        ('search."split" = {choices = ["leave-last-out", "global-time"]}', "[train]"),
        ('search."scorer_training.cases" = {choices = [10, 20]}', "[train]"),
        ('search."tower.layers" = {choices = [1]}\n[train.tower]\nlayers = 2', "both"),
        ('search."tower.layers" = {choices = [1]}\n[train.towr]\nlayers = 2', "towr"),
        ('search."tower.layers" = {choices = [1]}\n[pruning]\nstartup = 0', "startup"),
        ('search."tower.layers" = {choices = [1]}\n[trials]\nn = 3', "trials"),
    ],
)
def test_what_no_training_could_take_is_named(tmp_path, line, says):
    with pytest.raises(ConfigError) as error:
        space_of(line, tmp_path)
    assert says in str(error.value)
    assert "space.toml" in str(error.value)
