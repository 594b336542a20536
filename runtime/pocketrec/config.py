"""Typed configuration: structs that refuse unknown keys, read from TOML and overridden from the command line."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

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
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        where = f"{path}: " if path is not None else ""
        raise ConfigError(f"{where}{error}{_known(kind, str(error))}") from None


def _known(kind: type[Config], message: str) -> str:
    """What there is in place of an unknown field; nothing for errors of other kinds."""
    unknown = re.match(r"Object contains unknown field `.*?`(?: - at `\$\.([\w.]+)`)?$", message)
    if unknown is None:
        return ""
    fields = msgspec.structs.fields(kind)
    for name in unknown[1].split(".") if unknown[1] else ():
        inner = next(field.type for field in fields if field.encode_name == name)
        if not (isinstance(inner, type) and issubclass(inner, Config)):
            return ""
        fields = msgspec.structs.fields(inner)
    return f"; there are: {', '.join(field.encode_name for field in fields)}"


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
