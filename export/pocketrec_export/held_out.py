"""Histories or queries with the items that should come first: what validation, tests and the gate rank."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import ModelError
from pocketrec.row_lists import packed, unpacked


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Cases to rank: given `histories[i]`, or what was typed, the items `targets[i]` should come first.

    All arrays hold item rows, oldest first.
    """

    users: NDArray[np.int32]
    """User of each case, by place in the data set."""
    histories: list[NDArray[np.int32]]
    targets: list[NDArray[np.int32]]
    queries: list[str] | None = None
    """What was typed, where cases are queries; their histories are empty then."""

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.histories)

    def sample(self, count: int, seed: int) -> "HeldOut":
        """At most `count` cases, drawn without replacement, in their old order."""
        if count >= len(self):
            return self
        return self.chosen(np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False)))

    def chosen(self, chosen: NDArray[np.int64]) -> "HeldOut":
        """The cases at these places, in this order."""
        return HeldOut(
            self.users[chosen],
            [self.histories[i] for i in chosen],
            [self.targets[i] for i in chosen],
            None if self.queries is None else [self.queries[i] for i in chosen],
        )

    def save(self, path: Path) -> None:
        """Write as one `.npz` of plain arrays."""
        arrays: dict[str, NDArray[np.generic]] = {
            "users": self.users,
            **packed({"history": self.histories, "target": self.targets}),
        }
        if self.queries is not None:
            arrays["queries"] = np.array(self.queries, dtype=np.str_)
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "HeldOut":
        """Read what `save` wrote.

        Raises:
            ModelError: The file is missing or not of this form.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(
                    users=arrays["users"],
                    histories=unpacked(arrays, "history"),
                    targets=unpacked(arrays, "target"),
                    queries=arrays["queries"].tolist() if "queries" in arrays else None,
                )
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise ModelError(f"can't read held-out users {path}: {error}; train the model again") from None
