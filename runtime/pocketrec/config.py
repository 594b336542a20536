"""Typed configuration: structs that refuse unknown keys, read from TOML and overridden from the command line."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from pocketrec.errors import ConfigError


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every struct that crosses a file: immutable, keyword-only, unknown keys refused."""


C = TypeVar("C", bound=Config)


def load_config(kind: type[C], path: Path | None = None, overrides: Sequence[str] = ()) -> C:
    """Build a config from defaults, then a TOML file, then `KEY=VALUE` overrides.

    Args:
        kind: The struct to build.
        path: TOML file; without it the defaults alone are used.
        overrides: Lines such as `tower.dropout=0.3`; the value is read as TOML, or else as a string.

    Raises:
        ConfigError: The file can't be read, a key is unknown, or a value has the wrong type or range.

    Example:
        >>> class Optimiser(Config, frozen=True, kw_only=True):
        ...     rate: float = 0.001
        >>> load_config(Optimiser, overrides=["rate=0.01"]).rate
        0.01
    """
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"can't read config {path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for line in overrides:
        _override(tree, line)
    for name, field in _fields(kind).items():
        if isinstance(field.default, Config) and isinstance(tree.get(name), dict):
            tree[name] = _over(msgspec.to_builtins(field.default), tree[name])
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        where = f"{path}: " if path is not None else ""
        known = _known(kind, str(error))
        message = re.sub(r"^Expected `str` matching regex '.*'", "Invalid value", str(error)) if known else str(error)
        raise ConfigError(f"{where}{message}{known}") from None


def choices(kind: object) -> list[str]:
    """The values that a setting's type names, as they are, as optional or in a list.

    Example:
        >>> choices(Literal["mean", "first"] | None)
        ['mean', 'first']
    """
    kinds = [each for each in (kind, *get_args(kind)) if get_origin(each) is Literal]
    return [str(choice) for each in kinds for choice in get_args(each)]


def _known(kind: type[Config], message: str) -> str:
    """What there is in place of an unknown field, and what a setting takes that was given another value."""
    where = re.search(r"(?: - at `\$\.([\w.]+)`)?$", message)
    names = where[1].split(".") if where and where[1] else []
    if message.startswith("Object contains unknown field"):
        inner = _inner(kind, names)
        return "" if inner is None else f"; there are: {', '.join(_fields(inner))}"
    owner = _inner(kind, names[:-1]) if names else None
    field = _fields(owner).get(names[-1]) if owner else None
    if field is None:
        return ""
    said = [each.description for each in getattr(field.type, "__metadata__", ()) if isinstance(each, msgspec.Meta)]
    takes = choices(field.type) or list(filter(None, said))
    return f"; it takes: {', '.join(takes)}" if takes else ""


def _inner(kind: type[Config], names: Sequence[str]) -> type[Config] | None:
    """The struct at the end of a path of names; None where something else lies on the way."""
    for name in names:
        field = _fields(kind).get(name)
        if field is None or not (isinstance(field.type, type) and issubclass(field.type, Config)):
            return None
        kind = field.type
    return kind


def _fields(kind: type[Config]) -> dict[str, FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _over(defaults: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """What is said of a section, over its own defaults, which need not be those of its type."""
    both = {**defaults, **said}
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(defaults.get(name), dict):
            both[name] = _over(defaults[name], value)
    return both


def _override(tree: dict[str, Any], line: str) -> None:
    key, equals, text = line.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"override {line!r} is not of the form KEY=VALUE, such as tower.dropout=0.3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, leaf = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"override {line!r}: {parent!r} is a value, not a section")
    tree[leaf] = value
