"""`--config`, `--set` and `--settings`: how a command takes its settings, and lists them with what they mean."""

import argparse
import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from pocketrec.config import Config, choices

Kind = Callable[[], type[Config]]
"""Gives the struct of a command's settings; loaded when somebody asks, as it may take PyTorch."""


def add_settings(parser: argparse.ArgumentParser, kind: Kind, example: str, file: bool = True) -> None:
    """Declare the options.

    Args:
        parser: Of the command.
        kind: Its settings.
        example: Of one of them, such as `training.epochs=10`.
        file: Whether they may come from a TOML file too.
    """
    if file:
        parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help=f"one setting, such as {example}"
    )
    parser.add_argument("--settings", action=_List, kind=kind, help="list all settings with their defaults, and exit")


class _List(argparse.Action):
    """Prints the list and ends the program."""

    def __init__(self, option_strings: Sequence[str], dest: str, kind: Kind, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)
        self.kind = kind

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write("\n".join(map(str, settings_of(self.kind()()))) + "\n")
        parser.exit()


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a TOML file."""

    key: str
    """As for `--set`; `[]` stands where there may be several, each of which a file has below `[[...]]`."""
    default: str
    meaning: str

    def __str__(self) -> str:
        lines = textwrap.wrap(self.meaning, width=100, initial_indent="    ", subsequent_indent="    ")
        return "\n".join([f"{self.key} = {self.default}", *lines])


def settings_of(config: Config, prefix: str = "") -> Iterator[Setting]:
    """All settings of a config and of those inside it, in the order of the source.

    Args:
        config: With its defaults.
        prefix: Of all keys.

    Example:
        >>> class Optimiser(Config, frozen=True, kw_only=True):
        ...     rate: float = 0.001
        >>> list(settings_of(Optimiser()))
        [Setting(key='rate', default='0.001', meaning='')]
    """
    meanings = _meanings(type(config))
    for field in msgspec.structs.fields(config):
        key, value = prefix + field.encode_name, getattr(config, field.name)
        if isinstance(value, Config):
            yield from settings_of(value, f"{key}.")
            continue
        known = ", ".join(choices(field.type))
        meaning = " ".join([meanings.get(field.name, ""), known and f"One of: {known}."])
        default = "(not set)" if value is None else msgspec.json.encode(value).decode()
        yield Setting(key, default, meaning.strip())
        if isinstance(value, tuple) and value and isinstance(value[0], Config):
            yield from settings_of(type(value[0])(), f"{key}[].")


def _meanings(kind: type[Config]) -> dict[str, str]:
    """The docstring below each field, by name; those of the nearest class count."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each is Config or not issubclass(each, Config):
            continue
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        except (OSError, TypeError):  # made at run time, or its source isn't there
            continue
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for line, below in pairwise(lines):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(below, ast.Expr):
                found[line.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return found
