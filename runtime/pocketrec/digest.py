"""SHA-256 of files and texts: the names by which contents are cached, bound and checked."""

import hashlib
from pathlib import Path


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
