"""The ranking gate: int8 ships only if people get the same recommendations (`pocketrec.proof`)."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.items import Item
from pocketrec.proof import Probe
from pocketrec.row_lists import Rows
from pocketrec.text import clean_text
from pocketrec_export.held_out import HeldOut

_ARRIVALS = 500
"""Most items that are asked for as newcomers."""


class GateConfig(Config, frozen=True, kw_only=True):
    """How strict the gate is."""

    bound: Annotated[float, Meta(gt=0)] = 0.01
    """Largest relative loss of NDCG@10, at the upper end of its 95 % interval; for newcomers, at the lower end."""
    cases: Annotated[int, Meta(ge=1)] = 2000
    """Most held-out users, and most queries, that are compared."""
    moments: Annotated[int, Meta(ge=1)] = 4
    """Times that each user is asked: with the whole history, then each time without one more of its newest items."""
    proof: bool = True
    """Whether the bundle carries what was asked and answered, so that `pocketrec verify` can ask again. That is
    histories of held-out users, as items without names: leave it out where those are nobody else's business."""


def probe_of(
    held_out: HeldOut, items: Sequence[Item], popularity: NDArray[np.integer], config: GateConfig, seed: int
) -> Probe:
    """Held-out users' histories or queries, and for a sample of items the first half of their title as a query.

    Some of what the users took next, a tenth of all that anybody took, is asked for again as newcomers.

    Between two bundles rankings flip at random where scores nearly tie. A user who is asked at several moments
    averages that out, so the interval shows what int8 costs.
    """
    cases = held_out.sample(config.cases, seed)
    typed = cases.queries or []
    users = cases.chosen(np.arange(0 if typed else len(cases)))
    chosen = np.random.default_rng(seed).permutation(len(items))[: config.cases]
    return Probe(
        arrivals=_arrivals(users.targets, items, popularity),
        moments=config.moments,
        users=users.histories,
        user_targets=users.targets,
        queries=typed + [first_half(items[row].title) for row in chosen],
        query_targets=(cases.targets if typed else []) + [np.array([row], dtype=np.int32) for row in chosen],
    )


def _arrivals(targets: Sequence[Rows], items: Sequence[Item], popularity: NDArray[np.integer]) -> Rows:
    """The first distinct targets that anybody took and that have something to read."""
    most = min(_ARRIVALS, int(np.count_nonzero(popularity)) // 10)
    wanted = dict.fromkeys(int(row) for rows in targets for row in rows)
    fit = [row for row in wanted if popularity[row] > 0 and clean_text(items[row].title)]
    return np.array(sorted(fit[:most]), np.int32)


def first_half(title: str) -> str:
    """The first half of a title's words, at least one: what a person types before he stops."""
    words = title.split()
    return " ".join(words[: (len(words) + 1) // 2])
