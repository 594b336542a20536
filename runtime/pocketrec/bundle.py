"""A bundle in memory: checked first, opened after, never changed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec.catalogue import Catalogue
from pocketrec.encoder import TextEncoder
from pocketrec.errors import BundleError
from pocketrec.features import FEATURES, scaled_popularity
from pocketrec.graphs import INPUTS, Graph
from pocketrec.index import HnswGraph, VectorIndex
from pocketrec.manifest import Manifest
from pocketrec.neighbours import Neighbours


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
    popularity: NDArray[np.float32]
    """Scaled popularity by row, and one 0 more at the end, for items that have no row."""

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
        manifest.check_files(folder)
        _check_words(manifest, folder)
        vectors = _array(folder, "vectors.npy", np.dtype(np.float32), (manifest.items, manifest.dim))
        counts = _array(folder, "popularity.npy", np.dtype(np.int32), (manifest.items,))
        catalogue = Catalogue.open(folder / "items.sqlite")
        if len(catalogue) != manifest.items:
            raise BundleError(f"{folder}/items.sqlite holds {len(catalogue)} items, the manifest says {manifest.items}")
        return cls(
            manifest=manifest,
            catalogue=catalogue,
            encoder=TextEncoder.open(
                folder / "encoder.onnx", folder / "tokenizer.json", manifest.encoder.max_tokens, threads
            ),
            user=Graph.open(folder / "user.onnx", "user", manifest.graphs["user"].batch_safe, threads),
            scorer=Graph.open(folder / "scorer.onnx", "scorer", manifest.graphs["scorer"].batch_safe, threads),
            index=VectorIndex(
                vectors, HnswGraph.open(folder / "index.hnsw", manifest.items, manifest.dim, manifest.index)
            ),
            neighbours=_neighbours(folder, manifest),
            popularity=np.append(scaled_popularity(counts), np.float32(0)),
        )

    @property
    def reading(self) -> str:
        """Names how texts become vectors here: vectors from another reading aren't comparable."""
        return f"{self.manifest.files['encoder.onnx'].sha256}/{self.manifest.encoder.template_digest}"


def _check_words(manifest: Manifest, folder: Path) -> None:
    """Check what the manifest says against what this version of the runtime does."""
    if manifest.features != FEATURES:
        raise BundleError(
            f"{folder}: its scorer reads the features {', '.join(manifest.features)}; this version of pocketrec "
            f"makes {', '.join(FEATURES)}: export the bundle again with this version"
        )
    if manifest.encoder.template.digest != manifest.encoder.template_digest:
        raise BundleError(f"{folder}: the text template doesn't match its digest; export the bundle again")
    missing = set(INPUTS) - set(manifest.graphs)
    if missing:
        raise BundleError(f"{folder}: the manifest names no {', '.join(sorted(missing))} graph")


def _array(folder: Path, name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Map an array, after checking its type and shape."""
    try:
        array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / name} can't be read: {error}") from None
    if array.dtype != dtype or (shape and array.shape != shape):
        raise BundleError(f"{folder / name} is {array.dtype}{array.shape}; {dtype}{shape} expected")
    return np.asarray(array)  # a plain view: numpy's memmap class itself is slow to index


def _neighbours(folder: Path, manifest: Manifest) -> Neighbours:
    neighbours = Neighbours.open(folder / "neighbours", manifest.neighbours.decay)
    pointers, rows = neighbours.indptr, neighbours.rows
    whole = (
        len(pointers) == manifest.items + 1
        and pointers[0] == 0
        and pointers[-1] == len(rows) == len(neighbours.weights)
        and bool((np.diff(pointers) >= 0).all())
        and (not len(rows) or (rows.min() >= 0 and rows.max() < manifest.items))
    )
    if not whole:
        raise BundleError(f"{folder}/neighbours doesn't fit {manifest.items} items; export the bundle again")
    return neighbours
