"""The proof in a bundle: what export asked, what the float32 form answered, and whether another form answers alike.

Every comparison runs whole bundles through the runtime, on histories of held-out users and on queries. A form passes
when the upper end of the interval of its relative NDCG@10 loss, from a paired bootstrap over cases, stays inside the
bound; closeness of numbers is no criterion. The proof needs nothing but the runtime, so `pocketrec verify` judges a
bundle anew on the machine that it is to run on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import BundleError
from pocketrec.rankings import ndcg, overlap, paired_bootstrap
from pocketrec.recommender import Recommender
from pocketrec.row_lists import Rows, packed, unpacked

FILE = "proof.npz"
K = 10
COMPANY = 1e-5
"""Most that a text's vector may change with the texts beside it, or with one thread more."""
_TEXTS = 200
"""Queries whose vectors are compared too."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Histories and queries, each with the items that should come first; items are rows of the catalogue."""

    moments: int
    """Times that each user is asked: with the whole history, then each time without one more of its newest items."""
    users: list[Rows]
    """Whole histories."""
    user_targets: list[Rows]
    queries: list[str]
    query_targets: list[Rows]

    @property
    def histories(self) -> list[Rows]:
        """Of every user at every moment, one user after the other."""
        moments = range(self.moments)
        return [rows[: max(1, len(rows) - moment)] for rows in self.users for moment in moments]

    @property
    def history_targets(self) -> list[Rows]:
        """Of each of `histories`."""
        return [target for target in self.user_targets for _ in range(self.moments)]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a bundle gave."""

    histories: Rows
    """Rows of the top 10 for each history, -1 where there are fewer."""
    queries: Rows
    """The same for each query."""
    texts: NDArray[np.float32]
    """Vectors of the first queries, each read alone."""
    company: float
    """The largest difference of a component when the same texts are read beside others, by one thread more."""

    @classmethod
    def of(cls, bundle: Path, probe: Probe, ids: Sequence[str], threads: int = 1) -> "Answers":
        """Ask a bundle.

        Args:
            bundle: Its folder.
            probe: What to ask.
            ids: Id of each row.
            threads: For the graphs.
        """
        recommender = Recommender.load(bundle, threads=threads)
        row_of = {id: row for row, id in enumerate(ids)}

        def rows(answers: list[list[str]]) -> Rows:
            table = np.full((len(answers), K), -1, np.int32)
            for line, answer in enumerate(answers):
                table[line, : len(answer)] = [row_of[id] for id in answer]
            return table

        said = probe.queries[:_TEXTS]
        alone = np.concatenate([recommender.encode([text]) for text in said]) if said else recommender.encode([])
        order = np.random.default_rng(0).permutation(len(said))
        together = Recommender.load(bundle, threads=threads + 1).encode([said[place] for place in order])
        return cls(
            histories=rows([recommender.rank([ids[row] for row in history], k=K) for history in probe.histories]),
            queries=rows([recommender.rank(query=query, k=K) for query in probe.queries]),
            texts=alone,
            company=float(np.abs(together - alone[order]).max(initial=0.0)),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison with the float32 bundle found."""

    passed: bool
    overlap: float
    """Mean share of the top 10 that both bundles give, over histories and queries."""
    ndcg: dict[str, float]
    """Mean NDCG@10 before and after: `histories/fp32`, `histories/int8`, `queries/fp32`, `queries/int8`."""
    losses: dict[str, float]
    """Relative loss of NDCG@10, for `histories` and `queries`."""
    uppers: dict[str, float]
    """Upper end of its interval."""
    cosine: float
    """Mean cosine of texts' vectors; 1 without texts."""
    company: float
    """As in `Answers`."""

    @property
    def loss(self) -> float:
        """The larger loss of the two."""
        return max(self.losses.values(), default=0.0)

    @property
    def upper(self) -> float:
        """The larger upper end."""
        return max(self.uppers.values(), default=0.0)

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
        return said if self.company <= COMPANY else f"{said}, a vector changes by {self.company:.1e} with its company"


def compare(before: Answers, after: Answers, probe: Probe, bound: float) -> Verdict:
    """Judge a bundle's answers against those of the float32 bundle.

    Args:
        before: Of the float32 bundle.
        after: Of the other.
        probe: What both were asked.
        bound: Largest relative loss of NDCG@10 at the upper end of its 95 % interval.
    """
    overlaps, figures = [], dict[str, float]()
    losses, uppers = dict[str, float](), dict[str, float]()
    parts = (
        ("histories", before.histories, after.histories, probe.history_targets, probe.moments),
        ("queries", before.queries, after.queries, probe.query_targets, 1),
    )
    for name, old, new, targets, moments in parts:
        if not len(targets):
            continue
        old_ndcg, new_ndcg = (ndcg(rows, targets).reshape(-1, moments).mean(axis=1) for rows in (old, new))
        difference = paired_bootstrap(new_ndcg, old_ndcg)
        overlaps.append(overlap(old, new))
        figures[f"{name}/fp32"], figures[f"{name}/int8"] = float(np.mean(old_ndcg)), float(np.mean(new_ndcg))
        losses[name], uppers[name] = -difference.relative, -difference.relative_interval[0]
    return Verdict(
        passed=max(uppers.values(), default=0.0) <= bound and after.company <= COMPANY,
        overlap=float(np.mean(np.concatenate(overlaps))) if overlaps else 1.0,
        ndcg=figures,
        losses=losses,
        uppers=uppers,
        cosine=float((before.texts * after.texts).sum(axis=1).mean()) if len(before.texts) else 1.0,
        company=after.company,
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """What lies in the bundle: the probe, the float32 bundle's answers, and the bound that they were judged by."""

    probe: Probe
    answers: Answers
    bound: float

    def save(self, path: Path) -> None:
        """Write one `.npz` of plain arrays."""
        probe, answers = self.probe, self.answers
        arrays: dict[str, NDArray[np.generic]] = {
            **packed(
                {
                    "users": probe.users,
                    "user_targets": probe.user_targets,
                    "query_targets": probe.query_targets,
                }
            ),
            "moments": np.array(probe.moments),
            "bound": np.array(self.bound),
            "queries": np.array(probe.queries, dtype=np.str_),
            "answers_histories": answers.histories,
            "answers_queries": answers.queries,
            "answers_texts": answers.texts,
            "answers_company": np.array(answers.company),
        }
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Proof":
        """Read what `save` wrote.

        Raises:
            BundleError: The file is missing or not of this form.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                probe = Probe(
                    moments=int(arrays["moments"]),
                    users=unpacked(arrays, "users"),
                    user_targets=unpacked(arrays, "user_targets"),
                    queries=arrays["queries"].tolist(),
                    query_targets=unpacked(arrays, "query_targets"),
                )
                answers = Answers(
                    arrays["answers_histories"],
                    arrays["answers_queries"],
                    arrays["answers_texts"],
                    float(arrays["answers_company"]),
                )
                return cls(probe, answers, float(arrays["bound"]))
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise BundleError(f"{path} can't be read: {error}; export the bundle again") from None
