"""Who beats whom, beyond chance: every pair of evaluated rankers on the same test cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from pocketrec.errors import DataError
from pocketrec.results import Result
from pocketrec_export.rankings import Difference, paired_bootstrap
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.metrics import Values
from pocketrec_training.evaluate.significance import holm, permutation_test
from pocketrec_training.evaluate.table import aligned

_SAME = ("dataset digest", "split", "cases")
"""Notes of a result that must agree before its cases may be paired with another's."""


@dataclass(frozen=True, slots=True)
class Lead:
    """How far one ranker is ahead of another."""

    ahead: str
    behind: str
    difference: Difference
    """Of the means, with paired bootstrap intervals."""
    effect: float
    """Cohen's d of paired values: the mean difference in standard deviations of the differences."""
    p: float
    """Paired randomisation test, two-sided, Holm-adjusted over all pairs."""


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
    pairs = list(combinations(ordered, 2))
    raw = {f"{at}": permutation_test(values[a], values[b], seed=seed) for at, (a, b) in enumerate(pairs)}
    adjusted = holm(raw)
    leads = []
    for at, (a, b) in enumerate(pairs):
        spread = float(np.std(values[a] - values[b], ddof=1)) if len(values[a]) > 1 else 0.0
        difference = paired_bootstrap(values[a], values[b], seed=seed)
        leads.append(Lead(a, b, difference, difference.mean / spread if spread else 0.0, adjusted[f"{at}"]))
    return leads


def read_runs(paths: Sequence[Path], key: str) -> dict[str, Values]:
    """A value for each case of each result's subject, by a name that tells the results apart.

    Args:
        paths: Results that `pocketrec evaluate --json` wrote, each beside its cases.
        key: Figure to compare by, `ndcg@10`.

    Raises:
        DataError: A file is missing, has no such figure, or is of other data or another split than the first.
    """
    results = [Result.read(path) for path in paths]
    runs: dict[str, Values] = {}
    for path, name, result in zip(paths, _names(paths), results, strict=True):
        for note in _SAME:
            if result.notes.get(note) != results[0].notes.get(note):
                raise DataError(
                    f"{path} and {paths[0]} differ in {note} ({result.notes.get(note)} and "
                    f"{results[0].notes.get(note)}): only results on the same test cases can be compared"
                )
        cases = CaseFile.load(CaseFile.beside(path))
        wanted = f"{result.notes.get('subject', '')}/{key}"
        if wanted not in cases.values:
            known = sorted(name.partition("/")[2] for name in cases.values if name.startswith(wanted.split("/")[0]))
            raise DataError(f"{path} has no {key} for each case, but {', '.join(known)}")
        runs[name] = cases.values[wanted]
    return runs


def comparison_table(values: Mapping[str, Values], leads: Sequence[Lead], key: str) -> str:
    """Means from best to worst, then every pair with difference, interval, effect size and p."""
    ordered = sorted(values, key=lambda name: -float(values[name].mean()))
    means = aligned([["", key], *([name, f"{values[name].mean():.4f}"] for name in ordered)])
    lines = [["", "", "", "difference", "95 % interval", "relative", "effect", "p"]]
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
            ]
        )
    return f"{means}\n\n{aligned(lines)}"


def _names(paths: Sequence[Path]) -> list[str]:
    """Shortest ends of the paths that tell them apart."""
    parts = [path.with_suffix("").absolute().parts for path in paths]
    for length in range(1, max(len(part) for part in parts) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise DataError(f"{paths[0]} is given twice")
