"""Whether one bundle answers as another does: int8 as float32, here as there.

A form passes when, on histories and on queries, the upper end of the interval of its relative NDCG@10 loss, from a
paired bootstrap over cases, stays inside the bound. Newcomers are found so seldom that the same interval is ten times
as wide: there a form fails whose loss certainly lies beyond the bound. Closeness of numbers is no criterion.
"""

from dataclasses import dataclass

import numpy as np

from pocketrec.proof import Answers, Probe
from pocketrec.rankings import ndcg, overlap, paired_bootstrap

COMPANY = 1e-5
"""Most that a text's vector may change with the texts beside it, or with one thread more."""
NEWCOMERS = "newcomers"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison with the float32 bundle found."""

    passed: bool
    overlap: float
    """Mean share of the top 10 that both bundles give, over histories and queries."""
    ndcg: dict[str, float]
    """Mean NDCG@10 before and after: `histories/fp32`, `histories/int8`, so for `queries` and `newcomers`."""
    losses: dict[str, float]
    """Relative loss of NDCG@10, for `histories`, `queries` and `newcomers`."""
    lowers: dict[str, float]
    """Lower end of its interval."""
    uppers: dict[str, float]
    """Upper end."""
    cosine: float
    """Mean cosine of texts' vectors; 1 without texts."""
    company: float
    """As in `Answers`."""

    @property
    def loss(self) -> float:
        """The larger loss of histories and queries."""
        return _largest(self.losses)

    @property
    def upper(self) -> float:
        """The larger upper end of the two."""
        return _largest(self.uppers)

    @property
    def quality(self) -> dict[str, float]:
        """Figures for the manifest."""
        return {
            **{name.replace("/", "/ndcg@10/"): value for name, value in self.ndcg.items()},
            "overlap@10": self.overlap,
            "loss": self.loss,
            "loss_upper": self.upper,
            "cosine": self.cosine,
            "batch_delta_max": self.company,
            **({"newcomers/loss": self.losses[NEWCOMERS]} if NEWCOMERS in self.losses else {}),
        }

    @property
    def against_base(self) -> dict[str, float]:
        """Figures for the manifest of a smaller size, where what answered before is the model as it was trained."""
        figures = {}
        for name, loss in self.losses.items():
            figures[f"base/{name}/ndcg@10"] = self.ndcg[f"{name}/fp32"]
            figures[f"base/{name}/loss"], figures[f"base/{name}/loss_upper"] = loss, self.uppers[name]
        return figures

    @property
    def words(self) -> str:
        """For the manifest."""
        said = f"overlap@10 {self.overlap:.3f}, NDCG@10 loss {self.loss:+.2%}, at most {self.upper:+.2%}"
        if NEWCOMERS in self.losses:
            said += f", of newcomers {self.losses[NEWCOMERS]:+.2%}, at least {self.lowers[NEWCOMERS]:+.2%}"
        return said if self.company <= COMPANY else f"{said}, a vector changes by {self.company:.1e} with its company"


def compare(before: Answers, after: Answers, probe: Probe, bound: float) -> Verdict:
    """Judge a bundle's answers against those of the float32 bundle.

    Args:
        before: Of the float32 bundle.
        after: Of the other.
        probe: What both were asked.
        bound: Largest relative loss of NDCG@10 at the upper end of its 95 % interval; for newcomers, at the lower.
    """
    overlaps, figures = [], dict[str, float]()
    losses, lowers, uppers = dict[str, float](), dict[str, float](), dict[str, float]()
    parts = (
        ("histories", before.histories, after.histories, probe.history_targets, probe.moments),
        ("queries", before.queries, after.queries, probe.query_targets, 1),
        (NEWCOMERS, before.newcomers, after.newcomers, probe.newcomer_targets, probe.moments),
    )
    for name, old, new, targets, moments in parts:
        if not len(targets):
            continue
        old_ndcg, new_ndcg = (ndcg(rows, targets).reshape(-1, moments).mean(axis=1) for rows in (old, new))
        difference = paired_bootstrap(new_ndcg, old_ndcg)
        if name != NEWCOMERS:
            overlaps.append(overlap(old, new))
        figures[f"{name}/fp32"], figures[f"{name}/int8"] = float(np.mean(old_ndcg)), float(np.mean(new_ndcg))
        losses[name] = -difference.relative
        uppers[name], lowers[name] = (-end for end in difference.relative_interval)
    certain = lowers.get(NEWCOMERS, 0.0)
    return Verdict(
        passed=_largest(uppers) <= bound and certain <= bound and after.company <= COMPANY,
        overlap=float(np.mean(np.concatenate(overlaps))) if overlaps else 1.0,
        ndcg=figures,
        losses=losses,
        lowers=lowers,
        uppers=uppers,
        cosine=float((before.texts * after.texts).sum(axis=1).mean()) if len(before.texts) else 1.0,
        company=after.company,
    )


def _largest(figures: dict[str, float]) -> float:
    """Of histories and queries."""
    return max((value for name, value in figures.items() if name != NEWCOMERS), default=0.0)
