"""The list of settings says what `--set` takes."""

from typing import Literal

import pytest

from pocketrec.cli import main
from pocketrec.config import Config, load_config
from pocketrec.errors import ConfigError
from pocketrec_export.export import ExportConfig
from pocketrec_export.settings import settings_of
from pocketrec_training.experiments.experiment import ExperimentConfig
from pocketrec_training.train import TrainConfig


class Wheel(Config, frozen=True, kw_only=True):
    size: int = 20
    """Inches,
    as ever."""
    tyre: Literal["thin", "fat"] = "thin"
    """Its width."""


class Bicycle(Wheel, frozen=True, kw_only=True):
    name: str | None = None
    front: Wheel = Wheel(size=28)
    spares: tuple[Wheel, ...] = (Wheel(size=26), Wheel())
    """Carried along."""


def test_each_setting_stands_there_with_default_and_meaning():
    found = {setting.key: (setting.default, setting.meaning) for setting in settings_of(Bicycle())}
    assert found == {
        "size": ("20", "Inches, as ever."),
        "tyre": ('"thin"', "Its width. One of: thin, fat."),
        "name": ("(not set)", ""),
        "front.size": ("28", "Inches, as ever."),
        "front.tyre": ('"thin"', "Its width. One of: thin, fat."),
        "spares": ('[{"size":26,"tyre":"thin"},{"size":20,"tyre":"thin"}]', "Carried along."),
        "spares[].size": ("20", "Inches, as ever."),
        "spares[].tyre": ('"thin"', "Its width. One of: thin, fat."),
    }


@pytest.mark.parametrize("kind", [TrainConfig, ExportConfig, ExperimentConfig])
def test_every_default_may_be_set_as_it_stands(kind):
    settings = [each for each in settings_of(kind()) if "[]" not in each.key and each.default != "(not set)"]
    lines = [f"{each.key}={each.default}" for each in settings if not each.default.startswith(("{", "[{"))]
    assert len(lines) > 20
    assert load_config(kind, overrides=lines) == kind()


@pytest.mark.parametrize("command", ["train", "export", "distil", "experiment"])
def test_the_command_lists_them_without_its_other_arguments(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--settings"])
    assert ended.value.code == 0
    assert "epochs = " in capsys.readouterr().out


def test_an_unknown_setting_is_told_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"`foo`.*there are: kind, dim, encoder, .*training"):
        load_config(TrainConfig, overrides=["foo=1"])
    with pytest.raises(ConfigError, match=r"`foo` - at `\$\.tower`; there are: layers, heads"):
        load_config(TrainConfig, overrides=["tower.foo=1"])
