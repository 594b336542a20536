"""Tools that say more than their users asked for."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Nothing but errors from a logger, no warning, and nothing printed, until the block ends.

    Args:
        logger: Name of the logger; "" for all.

    Example:
        >>> with quiet("onnxruntime"):
        ...     print("failed in shape inference")
    """
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
