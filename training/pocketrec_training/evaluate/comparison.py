"""Who beats whom, beyond chance: every pair of evaluated models on the same test cases."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from pocketrec.errors import DataError
from pocketrec.rankings import Interval
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.leads import Lead, find_leads
from pocketrec_training.evaluate.measurement import AMONG_COLD
from pocketrec_training.evaluate.metrics import Values
from pocketrec_training.evaluate.table import Rows

_SHARED = ("dataset", "dataset digest", "split", "items", "cases")
_SAME = ("dataset digest", "split", "cases")
"""Notes of a result that must agree before its cases may be paired with another's."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Models on the same test cases."""

    values: dict[str, Values]
    """A value for each case, its mean over the model's seeds, by a name that tells the models apart."""
    notes: dict[str, str]
    """What all have in common, as in `Result.notes`."""

    @classmethod
    def read(cls, models: Sequence[str], key: str) -> "Compared":
        """Read what was evaluated.

        Args:
            models: For each a file that `pocketrec evaluate --json` wrote beside its cases, several such files of
                several seeds with commas between, or the folder of an experiment.
            key: Figure to compare by, `ndcg@10`.

        Raises:
            DataError: A file is missing, has no such figure, or is of other data or another split than the first.
        """
        files = [_files(model) for model in models]
        every = [path for paths in files for path in paths]
        for place, path in enumerate(every):
            if path.absolute() in {other.absolute() for other in every[:place]}:
                raise DataError(f"{path} is given twice")
        first = Result.read(every[0]).notes
        names = _names(
            [Path(model) if Path(model).is_dir() else paths[0] for model, paths in zip(models, files, strict=True)]
        )
        values = {}
        for name, paths in zip(names, files, strict=True):
            seeds = [_read(path, key, every[0], first) for path in paths]
            values[name if len(paths) == 1 else f"{name}, {len(paths)} seeds"] = np.mean(seeds, axis=0)
        return cls(values, {note: first[note] for note in _SHARED if note in first})


def compare(values: Mapping[str, Values], seed: int = 0) -> list[Lead]:
    """Test all pairs, each led by the better one; best pairs first.

    Args:
        values: A value for each case, in the same order of cases, by ranker.
        seed: Of bootstrap and permutations.

    Example:
        >>> good, bad = np.r_[np.ones(30), np.zeros(10)], np.zeros(40)
        >>> [(lead.ahead, round(lead.difference.mean, 2), lead.p < 0.01) for lead in compare({"a": bad, "b": good})]
        [('b', 0.75, True)]
    """
    ordered = sorted(values, key=lambda name: -float(values[name].mean()))
    return find_leads(list(combinations(ordered, 2)), values, seed)


def mean_rows(values: Mapping[str, Values], key: str) -> Rows:
    """Means from best to worst."""
    ordered = sorted(values, key=lambda name: -float(values[name].mean()))
    return [["", key], *([name, f"{values[name].mean():.4f}"] for name in ordered)]


def lead_rows(leads: Sequence[Lead]) -> Rows:
    """Every pair with difference, interval, effect size and p."""
    lines = [["", "", "", "difference", "95 % interval", "relative", "effect", "p", "bootstrap p"]]
    for lead in leads:
        (low, high), verdict = lead.difference.interval, "beats" if lead.p < 0.05 else "no better than"
        lines.append(
            [
                lead.ahead,
                verdict,
                lead.behind,
                f"{lead.difference.mean:+.4f}",
                f"{low:+.4f} - {high:+.4f}",
                f"{lead.difference.relative:+.1%}",
                f"{lead.effect:+.3f}",
                f"{lead.p:.4f}",
                f"{lead.bootstrap_p:.4f}",
            ]
        )
    return lines


def comparison_result(compared: Compared, leads: Sequence[Lead], key: str, seed: int, started: float) -> Result:
    """Means and leads in the one form of results; `started` is of `time.perf_counter`."""
    metrics = {f"{name}/{key}": float(value.mean()) for name, value in compared.values.items()}
    intervals: dict[str, Interval] = {}
    for lead in leads:
        pair = f"{lead.ahead} over {lead.behind}"
        metrics |= lead.metrics(pair, key)
        intervals |= lead.intervals(pair, key)
    return Result(
        name="compare",
        command="pocketrec compare",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=(seed,),
        duration_s=round(time.perf_counter() - started, 1),
        metrics=metrics,
        intervals=intervals,
        notes=compared.notes,
    )


def _files(model: str) -> list[Path]:
    """The results of a model's seeds."""
    path = Path(model)
    if not path.is_dir():
        return [path] if path.exists() else [Path(part) for part in model.split(",")]
    found = sorted(path.glob("seed-*/evaluate.json"))
    if not found:
        raise DataError(f"{path} has no seed-*/evaluate.json: name the folder of a finished experiment, or results")
    return found


def _read(path: Path, key: str, first: Path, notes: Mapping[str, str]) -> Values:
    """Each case's value of a result's subject, if its notes agree with those of the first."""
    result = Result.read(path)
    for note in _SAME:
        if result.notes.get(note) != notes.get(note):
            raise DataError(
                f"{path} and {first} differ in {note} ({result.notes.get(note)} and {notes.get(note)}): "
                "only results on the same test cases can be compared"
            )
    cases = CaseFile.load(CaseFile.beside(path))
    subject = result.notes.get("subject", "")
    if f"{subject}/{key}" not in cases.values:
        known = sorted(name.partition("/")[2] for name in cases.values if name.startswith(f"{subject}/"))
        raise DataError(f"{path} has no {key} for each case, but {', '.join(known)}")
    values = cases.values[f"{subject}/{key}"]
    return values[cases.slices["cold"]] if key.endswith(AMONG_COLD) else values  # others weren't asked


def _names(paths: Sequence[Path]) -> list[str]:
    """Shortest ends of the paths that tell them apart."""
    parts = [(path if path.is_dir() else path.with_suffix("")).absolute().parts for path in paths]
    longest = max(len(part) for part in parts)
    ends = (["/".join(part[-length:]) for part in parts] for length in range(1, longest + 1))
    return next((names for names in ends if len(set(names)) == len(names)), [str(path) for path in paths])
