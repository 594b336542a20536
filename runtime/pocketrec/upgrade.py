"""Turn a bundle of an older format into one of this version's, without the model that it came from.

From format 1 to 2: rows of neighbours and followers in 16 bits, which changes no answer, and their weights in int8,
which ships as at export: where the bundle's own proof says that rankings stay inside its bound.
"""

import shutil
from pathlib import Path

from msgspec.structs import replace

from pocketrec.bundle import Bundle
from pocketrec.errors import BundleError
from pocketrec.manifest import FORMAT, NAME, Manifest, NeighbourFacts, describe_files
from pocketrec.neighbours import Neighbours
from pocketrec.proof import FILE, Answers, Proof, compare
from pocketrec.staging import check_replaceable, staged_folder

TABLES = ("neighbours", "followers")


def upgrade(folder: Path, out: Path) -> Manifest:
    """Write a bundle in the present format.

    Args:
        folder: Bundle of an older format; it stays as it is, unless it lies at `out`.
        out: Folder of the new one; an older bundle there is replaced when the new one is whole.

    Returns:
        The manifest of the new one. An overlay of the old one goes with it too.

    Raises:
        BundleError: It has this format, or one that is newer, or is altered.
        DataError: Something else lies at `out`.
    """
    manifest = Manifest.read(folder)
    if manifest.format == FORMAT:
        raise BundleError(f"{folder} has format {FORMAT}, the newest that there is: nothing to upgrade")
    check_replaceable(out, NAME, "a bundle")
    bundle = Bundle.open(folder)
    with staged_folder(out) as aside:
        shutil.copytree(folder, aside, dirs_exist_ok=True)
        if FILE not in manifest.files:
            return _rewritten(aside, bundle, int8=False, reason="float32: no proof came along to judge int8 by")
        proof = Proof.load(folder / FILE)
        _rewritten(aside, bundle, int8=True, reason="on trial")
        verdict = compare(proof.answers, Answers.of(aside, proof.probe, bundle.catalogue.ids), proof.probe, proof.bound)
        said = f"{verdict.words}; bound {proof.bound:.2%}"
        if verdict.passed:
            return _rewritten(aside, bundle, int8=True, reason=f"int8 passed the gate with all else as it was: {said}")
        return _rewritten(aside, bundle, int8=False, reason=f"float32: int8 failed the gate: {said}")


def _rewritten(aside: Path, bundle: Bundle, int8: bool, reason: str) -> Manifest:
    """Write tables and manifest in the present format."""
    for name, table in zip(TABLES, bundle.tables, strict=True):
        shutil.rmtree(aside / name)
        (table.quantised() if int8 else table.narrowed()).save(aside / name)

    def facts(before: NeighbourFacts, table: Neighbours) -> NeighbourFacts:
        return replace(before, precision="int8" if int8 else table.precision, reason=reason)

    manifest = bundle.manifest
    manifest = replace(
        manifest,
        format=FORMAT,
        neighbours=facts(manifest.neighbours, bundle.neighbours),
        followers=facts(manifest.followers, bundle.followers),
        provenance={**manifest.provenance, "upgraded_from": f"format {manifest.format}"},
        files=describe_files(aside),
    )
    manifest.write(aside)
    return Manifest.read(aside)
