"""The space that is searched, a TOML file: settings of `train` with their range or choices, and others that stay.

[search."training.rate"]
low = 3e-4
high = 3e-3
log = true

[search."tower.layers"]
choices = [1, 2]

[train.training]
epochs = 8
"""

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.inspect import FloatType, IntType, StructType, Type, type_info
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pocketrec.config import Config, load_config
from pocketrec.digest import text_digest
from pocketrec.errors import ConfigError
from pocketrec_training.train import TrainConfig

Value = bool | int | float | str
Values = Mapping[str, Value]
"""Settings by their dotted key, as in `--set`."""

_NEVER = ("split", "scorer_training.cases")
"""They say whom the figures are measured on, and figures of different users can't be compared."""


class Range(Config, frozen=True, kw_only=True):
    """Numbers from `low` to `high`, both among them; whole ones where the setting is."""

    low: int | float
    high: int | float
    log: bool = False
    """Whether factors count alike, not differences: for rates and weights."""
    step: Annotated[float, Meta(gt=0)] | None = None
    """Distance of the numbers that are tried; any number, or any whole one, by default."""


class Choices(Config, frozen=True, kw_only=True):
    """A few values."""

    choices: Annotated[tuple[Value, ...], Meta(min_length=1)]


class Pruning(Config, frozen=True, kw_only=True):
    """When a trial is given up: after an epoch at which its best figure so far is below the median of others there."""

    startup: Annotated[int, Meta(ge=1)] = 5
    """Trials that must have been completed before."""
    warmup: Annotated[int, Meta(ge=1)] = 2
    """Epochs that every trial gets."""


class _SpaceFile(Config, frozen=True, kw_only=True):
    search: Annotated[dict[str, dict[str, Any]], Meta(min_length=1)]
    train: dict[str, Any] = {}
    pruning: Pruning = Pruning()


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """What is tried, every value of it checked."""

    dimensions: dict[str, BaseDistribution]
    """By dotted key."""
    fixed: dict[str, Any]
    """Settings that all trials share, as a tree."""
    pruning: Pruning
    digest: str
    """Of all that the file says."""

    @classmethod
    def load(cls, path: Path) -> "SearchSpace":
        """Read a file.

        Raises:
            ConfigError: A key is no setting of `train`, or a value or bound is none that it can have.
        """
        file = load_config(_SpaceFile, path)
        dimensions = {}
        for key, told in file.search.items():
            try:
                dimensions[key] = _dimension(key, told)
            except (ConfigError, msgspec.ValidationError) as error:
                raise ConfigError(f'{path}: search."{key}": {error}') from None
        space = cls(dimensions, file.train, file.pruning, text_digest(msgspec.json.encode(file).decode()))
        space._check(path)
        return space

    @property
    def split(self) -> str:
        """Name of the split, the same for all trials."""
        return msgspec.convert(self.fixed, TrainConfig).split

    def config(self, values: Values) -> TrainConfig:
        """All settings of a trial.

        Raises:
            msgspec.ValidationError: They don't go together.
        """
        return msgspec.convert(self._tree(values), TrainConfig)

    def as_toml(self, values: Values) -> str:
        """The same as a file that `train --config` takes, a line for each setting."""
        return "".join(f"{key} = {_toml(value)}\n" for key, value in _dotted(self._tree(values)))

    def _tree(self, values: Values) -> dict[str, Any]:
        tree = deepcopy(self.fixed)
        for key, value in values.items():
            *parents, leaf = key.split(".")
            branch = tree
            for parent in parents:
                branch = branch.setdefault(parent, {})
            branch[leaf] = float(f"{value:.12g}") if isinstance(value, float) else value  # three steps of 0.1 are 0.3
        return tree

    def _check(self, path: Path) -> None:
        """Try what stands under [train] alone, and then with each choice and each end of a range."""
        try:
            msgspec.convert(self.fixed, TrainConfig)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: train: {error}") from None
        twice = [key for key in self.dimensions if any(key == fixed for fixed, _ in _dotted(self.fixed))]
        if twice:
            raise ConfigError(f"{path}: {twice[0]} stands under both [search] and [train]; take it out of one")
        for key, dimension in self.dimensions.items():
            for value in _ends(dimension):
                try:
                    self.config({key: value})
                except msgspec.ValidationError as error:
                    raise ConfigError(f'{path}: search."{key}": {error}') from None


def _dimension(key: str, told: dict[str, Any]) -> BaseDistribution:
    kind = _type_of(key)
    if key in _NEVER:
        raise ConfigError("it says whom trials are measured on, so it must be the same for all; set it under [train]")
    if "choices" in told:
        return CategoricalDistribution(msgspec.convert(told, Choices).choices)
    if not isinstance(kind, IntType | FloatType):
        raise ConfigError("it is not a number: list its choices")
    asked = msgspec.convert(told, Range)
    if not asked.low <= asked.high:
        raise ConfigError(f"low {asked.low} is above high {asked.high}")
    if asked.log and (asked.low <= 0 or asked.step is not None):
        raise ConfigError("log takes a low above 0 and no step")
    steps = (asked.high - asked.low) / (asked.step or 1)
    if asked.step is not None and not math.isclose(steps, round(steps), abs_tol=1e-9):
        raise ConfigError(f"steps of {asked.step} don't lead from {asked.low} to {asked.high}")
    if isinstance(kind, FloatType):
        return FloatDistribution(asked.low, asked.high, log=asked.log, step=asked.step)
    numbers = (asked.low, asked.high, asked.step or 1)
    broken = [number for number in numbers if number != int(number)]
    if broken:
        raise ConfigError(f"it takes whole numbers, not {broken[0]}")
    low, high, step = map(int, numbers)
    return IntDistribution(low, high, log=asked.log, step=step)


def _type_of(key: str) -> Type:
    """Type of a setting of `train`."""
    kind: Type = type_info(TrainConfig)
    for part in key.split("."):
        fields = {field.name: field.type for field in kind.fields} if isinstance(kind, StructType) else {}
        if part not in fields:
            raise ConfigError(f"train has no setting {key}, there is no {part!r}")
        kind = fields[part]
    if isinstance(kind, StructType):
        raise ConfigError(f"it is a section: search its settings, such as {key}.{kind.fields[0].name}")
    return kind


def _ends(dimension: BaseDistribution) -> tuple[Value, ...]:
    if isinstance(dimension, CategoricalDistribution):
        return dimension.choices  # type: ignore[return-value]
    assert isinstance(dimension, IntDistribution | FloatDistribution)
    return (dimension.low, dimension.high)


def _dotted(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{before}{key}.")
        else:
            yield before + key, value


def _toml(value: Any) -> str:  # noqa: ANN401
    """A TOML value; what JSON writes for text and flags is TOML too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value) if isinstance(value, float) else msgspec.json.encode(value).decode()
