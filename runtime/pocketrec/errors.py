"""The errors that Pocketrec raises on purpose.

Wrong arguments of a call stay `ValueError` and `TypeError`; these classes are for what lies outside the
calling code: files, folders and installed packages. The command line prints any of them as one line.
"""

from importlib.util import find_spec


class PocketrecError(Exception):
    """Base of all errors below; its message says what was wrong, where, and what to do."""


class BundleError(PocketrecError):
    """A bundle is missing, incomplete, altered, or of a format that this version can't read."""


class OverlayError(PocketrecError):
    """The store of changes beside a bundle can't be used, or another bundle has taken it over."""


class DataError(PocketrecError):
    """A source, data set or table can't be read; the message names file, line, column and value."""


class ModelError(PocketrecError):
    """A model folder is missing, incomplete, or doesn't fit the data it is used with."""


class ConfigError(PocketrecError):
    """A config file or override has an unknown key or a value out of range."""


class MissingExtraError(PocketrecError):
    """A command needs packages that `pip install pocketrec` alone doesn't bring."""


def require_extra(extra: str, modules: tuple[str, ...], purpose: str) -> None:
    """Check that an optional dependency is installed, without importing it.

    Args:
        extra: Name of the extra that brings the modules, as in `pip install 'pocketrec[extra]'`.
        modules: Import names to look for.
        purpose: What needs them, for the message: "pocketrec train".

    Raises:
        MissingExtraError: A module can't be found; the message holds the pip line that brings it.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f"{purpose} needs {', '.join(missing)}, which is not installed: pip install 'pocketrec[{extra}]'"
        )
