"""What another bundle does differently: files, words of the manifest, items, vectors, rankings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pocketrec.bundle import Bundle
from pocketrec.manifest import Manifest
from pocketrec.proof import FILE, Answers, Probe, Proof
from pocketrec.rankings import overlap

_MOVED = 1e-6
"""Least difference of a component that counts as a move."""
_QUERIES = 500
"""Most titles that are asked where the first bundle carries no proof."""


@dataclass(frozen=True, slots=True)
class Moves:
    """How items that both bundles have stand in the second."""

    shared: int
    moved: int
    cosine: float
    """Mean over shared items."""
    farthest: str
    """Id of the item that moved most; empty where none did."""
    least: float
    """Its cosine."""


@dataclass(frozen=True, slots=True)
class BundleDiff:
    """From one bundle to another."""

    files: dict[str, tuple[int, int]]
    """Size before and after of each file whose content changed; 0 where it isn't there."""
    words: dict[str, tuple[object, object]]
    """What the manifest said and says, by the path of the field; without sizes and hashes."""
    added: list[str]
    """Ids of items."""
    removed: list[str]
    rewritten: list[str]
    """Ids of items that say something else now."""
    moves: Moves | None
    """None where vectors differ in length or no item is in both."""
    rankings: dict[str, tuple[float, int, int]]
    """For `histories` and `queries`: share of the top 10 that both give, lists that differ, lists asked."""

    @classmethod
    def of(cls, before: Path, after: Path) -> "BundleDiff":
        """Compare two bundles; the first one's proof, or else its titles, is what both are asked.

        Raises:
            BundleError: One of them is none, or altered.
        """
        old, new = Bundle.open(before), Bundle.open(after)
        rows = old.catalogue.rows
        both = [id for id in new.catalogue.ids if id in rows]
        places = np.array([[rows[id], new.catalogue.rows[id]] for id in both], dtype=np.int64).reshape(-1, 2)
        items = old.catalogue.all_items(), new.catalogue.all_items()
        probe = Proof.load(before / FILE).probe if FILE in old.manifest.files else _titles(old)
        added = [id for id in new.catalogue.ids if id not in rows]
        answers = [Answers.of(folder, probe, old.catalogue.ids + added) for folder in (before, after)]
        return cls(
            files=dict(_changed_files(old.manifest, new.manifest)),
            words=dict(_changed_words(_plain(old.manifest), _plain(new.manifest))),
            added=added,
            removed=[id for id in old.catalogue.ids if id not in new.catalogue.rows],
            rewritten=[id for id, (a, b) in zip(both, places, strict=True) if items[0][a] != items[1][b]],
            moves=_moves(old, new, both, places),
            rankings={
                name: (float(shares.mean()), int((a != b).any(axis=1).sum()), len(a))
                for name in ("histories", "queries")
                if len(shares := overlap(a := getattr(answers[0], name), b := getattr(answers[1], name)))
            },
        )


def _titles(bundle: Bundle) -> Probe:
    chosen = np.random.default_rng(0).permutation(len(bundle.catalogue))[:_QUERIES]
    targets = [np.array([row], np.int32) for row in chosen]
    return Probe(1, [], [], [bundle.catalogue.item(int(row)).title for row in chosen], targets)


def _changed_files(old: Manifest, new: Manifest) -> Iterator[tuple[str, tuple[int, int]]]:
    for name in sorted({*old.files, *new.files}):
        a, b = old.files.get(name), new.files.get(name)
        if a != b:
            yield name, (a.bytes if a else 0, b.bytes if b else 0)


def _plain(manifest: Manifest) -> dict[str, object]:
    return {name: value for name, value in msgspec.to_builtins(manifest).items() if name not in ("files", "digest")}


def _changed_words(old: object, new: object, path: str = "") -> Iterator[tuple[str, tuple[object, object]]]:
    """Leaves that differ; None stands for what isn't there."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            yield from _changed_words(old.get(name), new.get(name), f"{path}.{name}" if path else name)
    elif old != new:
        yield path, (old, new)


def _moves(old: Bundle, new: Bundle, both: list[str], places: NDArray[np.int64]) -> Moves | None:
    if not both or old.manifest.dim != new.manifest.dim:
        return None
    a, b = old.index.vectors[places[:, 0]], new.index.vectors[places[:, 1]]
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = (a * b).sum(axis=1) / np.maximum(lengths, 1e-12)
    moved = np.abs(a - b).max(axis=1) > _MOVED
    farthest = int(np.where(moved, cosines, np.inf).argmin())
    return Moves(
        shared=len(both),
        moved=int(moved.sum()),
        cosine=float(cosines.mean()),
        farthest=both[farthest] if moved.any() else "",
        least=float(cosines[farthest]),
    )
