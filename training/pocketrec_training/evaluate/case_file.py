"""A value for each test case, kept beside a result: what comparisons between runs are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import DataError
from pocketrec_training.evaluate.measurement import Measurement
from pocketrec_training.evaluate.metrics import Values

_SLICE = "slice/"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What rankers reached, case by case; the cases of one data set and split always come in one order."""

    values: dict[str, Values]
    """By ranker and figure: `bundle/ndcg@10`, `ease/recall@10`."""
    slices: dict[str, NDArray[np.bool_]]
    """Masks of cases, by name."""

    @classmethod
    def of(cls, measured: Mapping[str, Measurement]) -> "CaseFile":
        """NDCG and recall of all rankers."""
        values = {
            f"{name}/{key}": value
            for name, measurement in measured.items()
            for key, value in measurement.values.items()
            if key.startswith((f"ndcg@{measurement.at}", f"recall@{measurement.at}"))
        }
        return cls(values, dict(next(iter(measured.values())).slices))

    @staticmethod
    def beside(result: Path) -> Path:
        """Where the cases of a result file lie."""
        return result.with_suffix(".cases.npz")

    def save(self, path: Path) -> None:
        """Write as one compressed `.npz`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        small = {name: value.astype(np.float32) for name, value in self.values.items()}
        np.savez_compressed(path, allow_pickle=False, **small, **{_SLICE + name: m for name, m in self.slices.items()})

    @classmethod
    def load(cls, path: Path) -> "CaseFile":
        """Read what `save` wrote.

        Raises:
            DataError: The file is missing or not of this form.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {name: arrays[name].astype(np.float64) for name in arrays if not name.startswith(_SLICE)}
                slices = {name.removeprefix(_SLICE): arrays[name] for name in arrays if name.startswith(_SLICE)}
        except (OSError, ValueError, BadZipFile) as error:
            raise DataError(f"can't read the cases in {path}: {error}") from None
        return cls(values, slices)
