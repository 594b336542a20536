"""Which operators of a graph int8 hurts, and the fewest whose arithmetic must stay float32.

Errors of single operators don't add up to that of the whole, and closeness of their outputs says little of what
people are shown. So each operator is judged by the rankings that a bundle gives when it alone is int8, and what keeps
float32 arithmetic is found by asking the gate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pocketrec.progress import progress


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What int8 costs in one operator alone."""

    operator: str
    weights: int
    """What its time in float32 grows with."""
    loss: float
    """Of NDCG@10, relative; below 0 where rankings became better by chance."""

    @property
    def worth_sparing(self) -> float:
        """Loss for each weight: what float32 buys here, for its price."""
        return self.loss / max(self.weights, 1)


def scan(operators: Mapping[str, int], loss: Callable[[str], float]) -> list[Sensitivity]:
    """Try each operator alone in int8.

    Args:
        operators: Weights of each, by name.
        loss: Gives the relative loss of NDCG@10 with one operator in int8.

    Returns:
        The operators, those first that are most worth sparing.
    """
    found = []
    with progress("Trying operators alone", total=len(operators)) as shown:
        for name, weights in operators.items():
            found.append(Sensitivity(name, weights, loss(name)))
            shown.advance()
    return sorted(found, key=lambda one: one.worth_sparing, reverse=True)


def fewest_spared(scanned: Sequence[Sensitivity], passes: Callable[[Sequence[str]], bool]) -> tuple[str, ...] | None:
    """The shortest beginning of a list of operators that, spared, lets the rest through the gate.

    The gate is asked as often as it takes to halve the list down to it.

    Args:
        scanned: Operators, those first that are most worth sparing.
        passes: Whether the gate lets the graph through with these operators spared.

    Returns:
        Their names; None if the gate doesn't pass with all of them spared.

    Example:
        >>> scanned = [Sensitivity(name, 10, loss) for name, loss in (("c", 0.4), ("a", 0.1), ("b", 0.0))]
        >>> fewest_spared(scanned, lambda spared: "a" in spared)
        ('c', 'a')
        >>> fewest_spared(scanned, lambda spared: False) is None
        True
    """
    names = [one.operator for one in scanned]
    if not names or not passes(names):
        return None
    failed, passed = 0, len(names)
    while passed - failed > 1:
        middle = (failed + passed) // 2
        failed, passed = (failed, middle) if passes(names[:middle]) else (middle, passed)
    return tuple(names[:passed])
