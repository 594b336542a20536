"""The proof in a bundle: what export asked, and what the float32 form answered (`pocketrec.verdict` compares).

Whole bundles are asked, through the runtime: histories of held-out users, queries, and histories whose next item is
new to the bundle. The proof needs nothing else, so `pocketrec verify` judges a bundle anew on the machine that it is to
run on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pocketrec.arrivals import name, with_arrivals
from pocketrec.bundle import Bundle
from pocketrec.errors import BundleError
from pocketrec.recommender import Recommender
from pocketrec.row_lists import Rows, packed, unpacked

FILE = "proof.npz"
K = 10
_TEXTS = 200
"""Queries whose vectors are compared too."""
_NONE = np.zeros(0, np.int32)


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
    arrivals: Rows = field(default_factory=_NONE.copy)
    """Items that are asked for a second time as if nobody had taken them and they came by their texts after export."""

    @property
    def histories(self) -> list[Rows]:
        """Of every user at every moment, one user after the other."""
        return self._at_every_moment(self.users)

    @property
    def history_targets(self) -> list[Rows]:
        """Of each of `histories`."""
        return [target for target in self.user_targets for _ in range(self.moments)]

    @property
    def newcomer_histories(self) -> list[Rows]:
        """Of the users who took an arrival next."""
        return self._at_every_moment([self.users[case] for case, _ in self._newcomer_cases])

    @property
    def newcomer_targets(self) -> list[Rows]:
        """Of each of `newcomer_histories`, the arrivals."""
        return [rows for _, rows in self._newcomer_cases for _ in range(self.moments)]

    @property
    def _newcomer_cases(self) -> list[tuple[int, Rows]]:
        found = ((case, rows[np.isin(rows, self.arrivals)]) for case, rows in enumerate(self.user_targets))
        return [(case, rows) for case, rows in found if len(rows)]

    def _at_every_moment(self, users: list[Rows]) -> list[Rows]:
        return [rows[: max(1, len(rows) - moment)] for rows in users for moment in range(self.moments)]


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
    newcomers: Rows = field(default_factory=lambda: np.zeros((0, K), np.int32))
    """Rows of the top 10 of the arrivals, for each history whose next item is one."""

    @classmethod
    def of(cls, bundle: Path, probe: Probe, ids: Sequence[str], threads: int = 1) -> "Answers":
        """Ask a bundle.

        Args:
            bundle: Its folder.
            probe: What to ask.
            ids: Id of each row.
            threads: For the graphs.
        """
        opened = Bundle.open(bundle, threads)
        recommender = Recommender.of(opened)
        row_of = {id: row for row, id in enumerate(ids)}
        new = {name(ids[row]): row for row in probe.arrivals.tolist()}

        def rows(answers: list[list[str]], row_of: dict[str, int] = row_of) -> Rows:
            table = np.full((len(answers), K), -1, np.int32)
            for line, answer in enumerate(answers):
                table[line, : len(answer)] = [row_of[id] for id in answer]
            return table

        def those(history: Rows) -> list[str]:
            return [ids[row] for row in history]

        late = with_arrivals(opened, probe.arrivals) if new else recommender
        said = probe.queries[:_TEXTS]
        alone = np.concatenate([recommender.encode([text]) for text in said]) if said else recommender.encode([])
        order = np.random.default_rng(0).permutation(len(said))
        together = Recommender.load(bundle, threads=threads + 1).encode([said[place] for place in order])
        return cls(
            histories=rows([recommender.rank(those(history), k=K) for history in probe.histories]),
            queries=rows([recommender.rank(query=query, k=K) for query in probe.queries]),
            texts=alone,
            company=float(np.abs(together - alone[order]).max(initial=0.0)),
            newcomers=rows([late.rank(those(rows), k=K, among=new) for rows in probe.newcomer_histories], new),
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
            "arrivals": probe.arrivals,
            "answers_newcomers": answers.newcomers,
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
                with_newcomers = "arrivals" in arrays  # proofs of before know nothing of them
                probe = Probe(
                    moments=int(arrays["moments"]),
                    users=unpacked(arrays, "users"),
                    user_targets=unpacked(arrays, "user_targets"),
                    queries=arrays["queries"].tolist(),
                    query_targets=unpacked(arrays, "query_targets"),
                    arrivals=arrays["arrivals"] if with_newcomers else _NONE,
                )
                answers = Answers(
                    arrays["answers_histories"],
                    arrays["answers_queries"],
                    arrays["answers_texts"],
                    float(arrays["answers_company"]),
                    arrays["answers_newcomers"] if with_newcomers else np.zeros((0, K), np.int32),
                )
                return cls(probe, answers, float(arrays["bound"]))
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise BundleError(f"{path} can't be read: {error}; export the bundle again") from None
