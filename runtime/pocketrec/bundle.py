"""A bundle in memory: checked first, opened after, never changed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketrec.catalogue import Catalogue
from pocketrec.digest import text_digest
from pocketrec.encoder import TextEncoder
from pocketrec.errors import BundleError
from pocketrec.features import BEFORE_TREND, FEATURES, scaled_popularity
from pocketrec.graphs import INPUTS, Graph
from pocketrec.index import HnswGraph, VectorIndex
from pocketrec.likeness import TextLikeness
from pocketrec.manifest import Manifest, NeighbourFacts
from pocketrec.neighbours import Neighbours

FILES = (
    "encoder.onnx",
    "followers/indptr.npy",
    "followers/rows.npy",
    "followers/weights.npy",
    "index.hnsw",
    "items.sqlite",
    "neighbours/indptr.npy",
    "neighbours/rows.npy",
    "neighbours/weights.npy",
    "popularity.npy",
    "scorer.onnx",
    "texts.npy",
    "tokenizer.json",
    "trend.npy",
    "user.onnx",
    "vectors.npy",
)
"""What a bundle holds beside its manifest; of a table in int8 there are `scales.npy` too."""
_SINCE = {"texts.npy": 3}
"""Formats in which a file came in."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything a recommendation needs, but for what changed since export."""

    manifest: Manifest
    catalogue: Catalogue
    encoder: TextEncoder
    user: Graph
    scorer: Graph
    index: VectorIndex
    neighbours: Neighbours
    """Weights between items that are taken together."""
    followers: Neighbours
    """Weights from items to those that are taken next."""
    popularity: NDArray[np.float32]
    """Scaled popularity by row, and one 0 more at the end, for items that have no row."""
    trend: NDArray[np.float32]
    """How much each item is taken of late, in the same form; all 0 where that says no more than popularity."""
    trending: NDArray[np.int32]
    """Rows that have a trend, the strongest first."""
    texts: TextLikeness | None
    """What new texts are compared with; a bundle of a format before 3 hasn't read them."""

    @classmethod
    def open(cls, folder: Path, threads: int = 1) -> "Bundle":
        """Check every hash and size against the manifest, then open the files.

        Args:
            folder: What `export` wrote.
            threads: For the graphs.

        Raises:
            BundleError: A file is missing, altered or doesn't fit the others; the message names it.
        """
        manifest = Manifest.read(folder)
        _check_words(manifest, folder)
        manifest.check_files(folder)
        dim = manifest.dim
        vectors = _array(folder, "vectors.npy", (np.float32,), (manifest.items, dim))
        counts = _array(folder, "popularity.npy", (np.int32,), (manifest.items,))
        trend = _array(folder, "trend.npy", (np.float32,), (manifest.items,)) if "trend.npy" in manifest.files else None
        trend = np.zeros(manifest.items, np.float32) if trend is None else trend
        scorer_widths = {"user": dim, "candidates": dim, "features": len(manifest.features)}
        catalogue = Catalogue.open(folder / "items.sqlite")
        if len(catalogue) != manifest.items:
            raise BundleError(f"{folder}/items.sqlite holds {len(catalogue)} items, the manifest says {manifest.items}")
        return cls(
            manifest=manifest,
            catalogue=catalogue,
            encoder=TextEncoder.open(
                folder / "encoder.onnx", folder / "tokenizer.json", manifest.encoder.max_tokens, threads
            ),
            user=Graph.open(folder / "user.onnx", "user", {"vectors": dim, "user": dim}, threads),
            scorer=Graph.open(folder / "scorer.onnx", "scorer", scorer_widths, threads),
            index=VectorIndex(vectors, HnswGraph.open(folder / "index.hnsw", manifest.items, dim, manifest.index)),
            neighbours=_neighbours(folder, "neighbours", manifest.items, manifest.neighbours),
            followers=_neighbours(folder, "followers", manifest.items, manifest.followers),
            popularity=np.append(scaled_popularity(counts), np.float32(0)),
            trend=np.append(trend, np.float32(0)),
            trending=np.argsort(-trend, kind="stable")[: np.count_nonzero(trend)].astype(np.int32),
            texts=_texts(folder, manifest, catalogue) if "texts.npy" in manifest.files else None,
        )

    @property
    def tables(self) -> tuple[Neighbours, Neighbours]:
        """By which a history votes, in the order of `pocketrec.features.FEATURES`."""
        return self.neighbours, self.followers

    @property
    def reading(self) -> str:
        """Names how items become vectors here: vectors from another reading aren't comparable."""
        files = ("encoder.onnx", "tokenizer.json", "vectors.npy")
        facts = self.manifest.encoder
        hashes = [self.manifest.files[name].sha256 for name in files]
        return text_digest(*hashes, facts.template_digest, str(facts.max_tokens))


def _check_words(manifest: Manifest, folder: Path) -> None:
    """Check what the manifest says against what this version of the runtime does."""
    if manifest.features not in (FEATURES, BEFORE_TREND):
        raise BundleError(
            f"{folder}: its scorer reads the features {', '.join(manifest.features)}; this version of pocketrec "
            f"makes {', '.join(FEATURES)}: export the bundle again with this version"
        )
    if manifest.encoder.template.digest != manifest.encoder.template_digest:
        raise BundleError(f"{folder}: the text template doesn't match its digest; export the bundle again")
    tables = {"neighbours": manifest.neighbours, "followers": manifest.followers}
    scales = {f"{name}/scales.npy" for name, facts in tables.items() if facts.precision == "int8"}
    files = {name for name in FILES if manifest.format >= _SINCE.get(name, 0)}
    if manifest.features == BEFORE_TREND:
        files -= {"trend.npy"}
    missing = (files | scales) - {*manifest.files} or {*INPUTS} - {*manifest.graphs}
    if missing:
        raise BundleError(
            f"{folder}: the manifest says nothing of {', '.join(sorted(missing))}; export the bundle again"
        )


def _array(folder: Path, name: str, dtypes: tuple[type[np.generic], ...], shape: tuple[int, ...]) -> NDArray[Any]:
    """Map an array, after checking its type and shape; -1 in a shape is any length."""
    try:
        array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / name} can't be read: {error}") from None
    fits = array.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, array.shape, strict=True))
    if array.dtype not in dtypes or not fits:
        wanted = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        raise BundleError(f"{folder / name} is {array.dtype}{array.shape}; {wanted}{shape} expected")
    return np.asarray(array)  # a plain view: numpy's memmap class itself is slow to index


def _texts(folder: Path, manifest: Manifest, catalogue: Catalogue) -> TextLikeness:
    """What the encoder makes of the catalogue's texts, and on demand those themselves."""
    read = _array(folder, "texts.npy", (np.float16,), (manifest.items, manifest.dim))
    return TextLikeness(read, lambda: [manifest.encoder.template.render(item) for item in catalogue.all_items()])


def _neighbours(folder: Path, name: str, items: int, facts: NeighbourFacts) -> Neighbours:
    """Map a table, after checking that its arrays fit each other and the catalogue."""
    int8 = facts.precision == "int8"
    pointers = _array(folder, f"{name}/indptr.npy", (np.int64,), (items + 1,))
    rows = _array(folder, f"{name}/rows.npy", (np.int32, np.uint16), (-1,))
    weights = _array(folder, f"{name}/weights.npy", (np.int8,) if int8 else (np.float32,), (-1,))
    scales = _array(folder, f"{name}/scales.npy", (np.float32,), (items,)) if int8 else np.ones(items, np.float32)
    whole = (
        pointers[0] == 0
        and pointers[-1] == len(rows) == len(weights)
        and bool((np.diff(pointers) >= 0).all())
        and (not len(rows) or (rows.min() >= 0 and rows.max() < items))
    )
    if not whole:
        raise BundleError(f"{folder}/{name} doesn't fit {items} items; export the bundle again")
    return Neighbours(pointers, rows, weights, scales, facts.decay)
