"""`pocketrec verify`."""

import argparse
import time
from pathlib import Path

from pocketrec.bundle import Bundle
from pocketrec.errors import BundleError
from pocketrec.manifest import Manifest
from pocketrec.proof import COMPANY, FILE, Answers, Proof, Verdict, compare
from pocketrec.results import Machine, Result, installed_versions


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
    for what, found, passed in _checks(manifest, proof, verdict):
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
    if not verdict.passed:
        raise BundleError(f"{folder} doesn't answer here as its float32 form did at export: {verdict.words}")


def _checks(manifest: Manifest, proof: Proof, verdict: Verdict) -> list[tuple[str, str, bool]]:
    """What was checked, what was found, and whether that is right."""
    checks = [("files", f"{len(manifest.files)} of {len(manifest.files)} hashes right", True)]
    for name, upper in verdict.uppers.items():
        before, after = (verdict.ndcg[f"{name}/{form}"] for form in ("fp32", "int8"))
        found = f"NDCG@10 {before:.4f} in float32, {after:.4f} here: loss {verdict.losses[name]:+.2%}, at most "
        checks.append((name, f"{found}{upper:+.2%}; bound {proof.bound:.2%}", upper <= proof.bound))
    checks.append(("top 10", f"{verdict.overlap:.3f} of each shared with float32", True))
    checks.append(("texts", f"mean cosine to float32 {verdict.cosine:.4f}", True))
    kept = verdict.company <= COMPANY
    checks.append(("company", f"a text's vector changes by {verdict.company:.1e} beside others", kept))
    return checks
