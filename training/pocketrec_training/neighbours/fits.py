"""Neighbours and followers, each way fitted once on the same histories: several trainings may share what that gave."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.neighbours import Neighbours
from pocketrec.staging import staged_folder
from pocketrec_training.neighbours.followers import FollowerConfig, fit_followers
from pocketrec_training.neighbours.text_ease import NeighbourConfig, fit_neighbours

Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Fits:
    """Fits item-item weights between some items."""

    texts: Sequence[str]
    """Of each item."""
    vectors: NDArray[np.float32]
    """The encoder's, of those texts [items, width]."""
    past: int
    """Newest items of a history that followers are fitted on."""
    kept: Path | None
    """Folder where what was fitted is looked for, and left for others; None keeps nothing."""

    def neighbours(self, histories: Sequence[Rows], way: NeighbourConfig) -> Neighbours:
        """As `fit_neighbours`."""
        name = self._name(histories, way)
        return self._once(name, 1.0, lambda: fit_neighbours(histories, self.texts, self.vectors, way))

    def followers(self, histories: Sequence[Rows], way: FollowerConfig) -> Neighbours:
        """As `fit_followers`."""
        name = self._name(histories, way, str(self.past))
        return self._once(name, way.decay, lambda: fit_followers(histories, self.texts, self.vectors, self.past, way))

    def _once(self, name: str, decay: float, fit: Callable[[], Neighbours]) -> Neighbours:
        if self.kept is None:
            return fit()
        folder = self.kept / name
        if not folder.exists():
            fitted = fit()
            with staged_folder(folder) as aside:
                fitted.save(aside)
        return Neighbours.open(folder, decay)

    def _name(self, histories: Sequence[Rows], way: Config, *more: str) -> str:
        """Of the folder: a digest of everything that the weights come from."""
        digest = hashlib.sha256(text_digest(type(way).__name__, *more, *self.texts).encode())
        lengths = np.array([len(rows) for rows in histories], np.int64)
        rows = np.concatenate([*histories, np.zeros(0, np.int32)])
        for part in (msgspec.json.encode(way), lengths.tobytes(), rows.tobytes(), self.vectors.tobytes()):
            digest.update(part)
        return digest.hexdigest()[:16]
