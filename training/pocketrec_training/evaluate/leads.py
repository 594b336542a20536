"""How far one ranker is ahead of another on the same cases, and whether that is chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.rankings import Difference, Interval, paired_bootstrap
from pocketrec_training.evaluate.metrics import Values
from pocketrec_training.evaluate.significance import bootstrap_test, holm, permutation_test


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
    """Paired randomisation test, two-sided, Holm-adjusted over the pairs tested together."""
    bootstrap_p: float
    """Paired bootstrap test, adjusted alike: another way to ask the same, which should agree."""

    def metrics(self, name: str, key: str) -> dict[str, float]:
        """As figures of a result."""
        return {
            f"{name}/{key}": self.difference.mean,
            f"{name}/relative/{key}": self.difference.relative,
            f"{name}/effect": self.effect,
            f"{name}/p": self.p,
            f"{name}/bootstrap_p": self.bootstrap_p,
        }

    def intervals(self, name: str, key: str) -> dict[str, Interval]:
        """95 %, keyed as `metrics`."""
        return {
            f"{name}/{key}": self.difference.interval,
            f"{name}/relative/{key}": self.difference.relative_interval,
        }


def find_leads(
    pairs: Sequence[tuple[str, str]],
    values: Mapping[str, Values],
    seed: int = 0,
    whose: NDArray[np.int32] | None = None,
) -> list[Lead]:
    """Test some pairs of rankers, all together.

    Args:
        pairs: Names of the two; the difference is the first's mean less the second's.
        values: A value for each case, in the same order of cases, by ranker.
        seed: Of bootstrap and permutations.
        whose: User of each case; by default each is a user of its own.

    Example:
        >>> good, bad = np.r_[np.ones(30), np.zeros(10)], np.zeros(40)
        >>> lead, = find_leads([("b", "a")], {"a": bad, "b": good})
        >>> round(lead.difference.mean, 2), lead.p < 0.01, lead.bootstrap_p < 0.01
        (0.75, True, True)
    """
    swapped = holm({pair: permutation_test(*_of(values, pair), seed=seed, whose=whose) for pair in pairs})
    drawn = holm({pair: bootstrap_test(*_of(values, pair), seed=seed, whose=whose) for pair in pairs})
    leads = []
    for ahead, behind in pairs:
        a, b = values[ahead], values[behind]
        difference = paired_bootstrap(a, b, seed=seed, whose=whose)
        spread = float(np.std(a - b, ddof=1)) if len(a) > 1 else 0.0
        effect = difference.mean / spread if spread else 0.0
        leads.append(Lead(ahead, behind, difference, effect, swapped[ahead, behind], drawn[ahead, behind]))
    return leads


def _of(values: Mapping[str, Values], pair: tuple[str, str]) -> tuple[Values, Values]:
    return values[pair[0]], values[pair[1]]
