"""`pocketrec verify`."""

import argparse
import time
from pathlib import Path

from pocketrec.bundle import Bundle
from pocketrec.errors import BundleError
from pocketrec.manifest import Manifest
from pocketrec.proof import FILE, Answers, Proof
from pocketrec.results import Machine, Result, installed_versions
from pocketrec.verdict import COMPANY, NEWCOMERS, Verdict, compare

PARITY = 0.02
"""How much less than at export a bundle may share with float32: CPUs differ in the last bits, and scores nearly tie."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder to check, on this machine")
    parser.add_argument("--threads", type=int, default=1, help="for the graphs (default: 1)")


def run(arguments: argparse.Namespace) -> None:
    """Check hashes, ask again what export asked, and print a table; a failed check fails the command."""
    started = time.perf_counter()
    folder = arguments.bundle
    bundle = Bundle.open(folder, arguments.threads)
    manifest = bundle.manifest
    if FILE not in manifest.files:
        raise BundleError(f"{folder} carries no proof ({FILE}): export it again to verify it")
    proof = Proof.load(folder / FILE)
    answers = Answers.of(folder, proof.probe, bundle.catalogue.ids, arguments.threads)
    verdict = compare(proof.answers, answers, proof.probe, proof.bound)
    machine = Machine.here()
    print(f"{manifest.name}, {manifest.items:,} items, on {machine.cpu}, digest {manifest.digest[:16]}")
    checks = _checks(manifest, proof, verdict)
    for what, found, passed in checks:
        print(f"  {'ok  ' if passed else 'FAIL'}  {what:<12} {found}")
    if arguments.json:
        Result(
            name=manifest.name,
            command="verify",
            machine=machine,
            versions=installed_versions(),
            seeds=(),
            duration_s=round(time.perf_counter() - started, 3),
            metrics={
                **verdict.quality,
                **{f"{name}/loss": value for name, value in verdict.losses.items()},
                **{f"{name}/loss_upper": value for name, value in verdict.uppers.items()},
                "bound": proof.bound,
            },
        ).write(arguments.json)
    failed = ", ".join(what for what, _, passed in checks if not passed)
    if failed:
        raise BundleError(f"{folder} doesn't answer here as it did at export ({failed}): {verdict.words}")


def _checks(manifest: Manifest, proof: Proof, verdict: Verdict) -> list[tuple[str, str, bool]]:
    """What was checked, what was found, and whether that is right."""
    checks = [("files", f"{len(manifest.files)} of {len(manifest.files)} hashes right", True)]
    for name, loss in verdict.losses.items():
        before, after = (verdict.ndcg[f"{name}/{form}"] for form in ("fp32", "int8"))
        how, end = ("least", verdict.lowers[name]) if name == NEWCOMERS else ("most", verdict.uppers[name])
        found = f"NDCG@10 {before:.4f} in float32, {after:.4f} here: loss {loss:+.2%}, at {how} {end:+.2%}"
        checks.append((name, f"{found}; bound {proof.bound:.2%}", end <= proof.bound))
    for name, key, what in (
        ("top 10", "overlap@10", "share that float32 gave too"),
        ("texts", "cosine", "mean cosine to float32's vectors"),
    ):
        here, then = verdict.quality[key], manifest.quality[key]
        checks.append((name, f"{what} {here:.4f}, at export {then:.4f}", here >= then - PARITY))
    kept = verdict.company <= COMPANY
    checks.append(("company", f"a text's vector changes by {verdict.company:.1e} beside others", kept))
    return checks
