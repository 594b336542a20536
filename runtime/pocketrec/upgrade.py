"""Turn a bundle of an older format into one of this version's, without the model that it came from.

From format 1: rows of neighbours and followers in 16 bits, up to 65,536 items, which changes no answer; and their
weights in int8, which ships as at export: where the bundle's own proof says that rankings stay inside its bound. From
formats 1 and 2: its encoder reads the items' texts, by which those that are added at run time get their votes. What is
taken of late stays unknown, as its scorer wouldn't know what to make of it.
"""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from pocketrec.bundle import Bundle
from pocketrec.errors import BundleError
from pocketrec.likeness import TextLikeness, read_texts
from pocketrec.manifest import FORMAT, Manifest, NeighbourFacts, contents, describe_files
from pocketrec.neighbours import Neighbours
from pocketrec.newcomer_votes import NewcomerVotes, stand_ins
from pocketrec.newcomers import settled
from pocketrec.proof import FILE, Answers, Proof
from pocketrec.staging import check_replaceable, staged_folder
from pocketrec.verdict import Verdict, compare


def upgrade(folder: Path, out: Path) -> Manifest:
    """Write a bundle in the present format.

    Args:
        folder: Bundle of an older format; it stays as it is, unless it lies at `out`.
        out: Folder of the new one; an older bundle there is replaced when the new one is whole. An overlay of the old
            bundle goes with the new one too.

    Returns:
        The manifest of the new one.

    Raises:
        BundleError: The bundle has this format, or one that is newer, or is altered, or its place can't be taken.
        DataError: Something else lies at `out`.
    """
    manifest = Manifest.read(folder)
    if manifest.format == FORMAT:
        raise BundleError(f"{folder} has format {FORMAT}, the newest that there is: nothing to upgrade")
    check_replaceable(out, "a bundle", contents(out))
    if folder.resolve() in out.resolve().parents:
        raise BundleError(f"{out} lies in {folder} itself: name a folder beside it")
    bundle = Bundle.open(folder)
    with staged_folder(out) as aside:
        for name in manifest.files:
            (aside / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, aside / name)
        bundle = _with_texts(bundle, aside)
        if manifest.format > 1:
            return _written(aside, bundle, bundle.tables, manifest.neighbours.reason)
        if FILE not in manifest.files:
            return _written(aside, bundle, bundle.tables, "float32: no proof came along to judge int8 by")
        proof = Proof.load(folder / FILE)
        small = bundle.neighbours.quantised(), bundle.followers.quantised()
        _written(aside, bundle, small, "on trial")
        verdict = _judged(aside, bundle, proof)
        bound = f"bound {proof.bound:.2%}"
        if verdict.passed:
            reason = f"int8 passed the gate with all else as it was: {verdict.words}; {bound}"
            return _written(aside, bundle, small, reason, verdict.quality)
        before = _judged(folder, bundle, proof)
        if before.passed:
            reason = f"float32: int8 failed the gate: {verdict.words}; {bound}"
        else:
            reason = f"float32: even so the bundle doesn't rank here as at export: {before.words}; {bound}"
        return _written(aside, bundle, bundle.tables, reason)


def _with_texts(bundle: Bundle, aside: Path) -> Bundle:
    """With the items' texts read, and votes for newcomers at the level that they had by where those stood."""
    items, facts = bundle.catalogue.all_items(), bundle.manifest
    known, vectors = bundle.popularity[:-1] > 0, bundle.index.vectors
    texts = [facts.encoder.template.render(item) for item in items]
    read = read_texts(bundle.encoder, texts, facts.dim)
    np.save(aside / "texts.npy", read)
    likeness, rows = TextLikeness(read, lambda: texts), stand_ins(known)
    placed = settled(read[rows].astype(np.float32), vectors, known, rows=rows)
    before, after = NewcomerVotes.by_place(placed, vectors, known, rows), NewcomerVotes.among(likeness, known, rows)
    level = before.mean / after.mean if after.mean else 0.0
    neighbours, followers = (
        replace(table, newcomer_scale=level * table.newcomer_scale) for table in (facts.neighbours, facts.followers)
    )
    told = replace(facts, neighbours=neighbours, followers=followers)
    return dataclasses.replace(bundle, manifest=told, texts=likeness)


def _judged(folder: Path, bundle: Bundle, proof: Proof) -> Verdict:
    answers = Answers.of(folder, proof.probe, bundle.catalogue.ids)
    return compare(proof.answers, answers, proof.probe, proof.bound)


def _written(
    aside: Path,
    bundle: Bundle,
    tables: tuple[Neighbours, Neighbours],
    reason: str,
    quality: dict[str, float] | None = None,
) -> Manifest:
    """Write tables and manifest in the present format; with other figures of the gate where tables changed them."""
    manifest = bundle.manifest
    neighbours, followers = (table.narrowed() for table in tables)
    for name, table in (("neighbours", neighbours), ("followers", followers)):
        shutil.rmtree(aside / name)
        table.save(aside / name)

    def facts(before: NeighbourFacts, table: Neighbours) -> NeighbourFacts:
        return replace(before, precision=table.precision, reason=reason)

    replace(
        manifest,
        format=FORMAT,
        neighbours=facts(manifest.neighbours, neighbours),
        followers=facts(manifest.followers, followers),
        quality={**manifest.quality, **(quality or {})},
        provenance={**manifest.provenance, "upgraded_from": f"format {manifest.format}"},
        files=describe_files(aside),
    ).write(aside)
    return Manifest.read(aside)
