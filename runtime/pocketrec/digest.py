"""SHA-256 of files, texts and arrays: the names by which contents are cached, bound and checked."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def file_digest(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(*texts: str) -> str:
    """Hex SHA-256 of texts, each with its length in front, so that no two splits of a text agree."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


def array_digest(*arrays: NDArray[np.generic]) -> str:
    """Hex SHA-256 of arrays: dtype, shape and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
