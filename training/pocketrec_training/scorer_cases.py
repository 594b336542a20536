"""What the scorer learns from: requests of validation users of every kind, and of a catalogue with newcomers."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from pocketrec.index import VectorIndex
from pocketrec.newcomers import settled
from pocketrec_export.held_out import HeldOut
from pocketrec_training.candidate_lists import Cases, Retriever
from pocketrec_training.item_fitting import Fitted
from pocketrec_training.newcomer_votes import with_votes_by_text
from pocketrec_training.request_texts import FRAGMENTS
from pocketrec_training.tower_ranking import user_vectors

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]

_NEW = 0.1
"""Share of the known items that play newcomers."""


@torch.inference_mode()
def scorer_cases(
    fitted: Fitted, retriever: Retriever, levels: tuple[float, float], cases: HeldOut, again: int, seed: int
) -> list[tuple[Retriever, Cases]]:
    """Validation users as they are; where some items are new; with a query; and where what they took may come again.

    Args:
        fitted: Items, tower and what the language model says of requests.
        retriever: Source of candidates and features.
        levels: Of votes for newcomers, by neighbours and by followers.
        cases: Validation users, in random order.
        again: Most of them for each kind of request but the first.
        seed: Of newcomers, of queries and of what is left of histories beside them.
    """

    def users_of(histories: list[Rows], source: Retriever, queries: torch.Tensor | None = None) -> Floats:
        vectors = torch.from_numpy(source.vectors)
        users: Floats = user_vectors(fitted.user, vectors, histories, source.history, queries).numpy()
        return users

    # The first, so that a case has the same place in every group, and the same fold.
    some, random = cases.chosen(np.arange(min(again, len(cases)))), np.random.default_rng(seed)
    newer, longest = with_newcomers(fitted, retriever, levels, seed), retriever.history
    kept = random.integers(0, longest + 1, len(some)) * (random.random(len(some)) < 0.5)
    short = [rows[len(rows) - min(len(rows), keep) :] for rows, keep in zip(some.histories, kept, strict=True)]
    wanted = np.array([rows[0] for rows in some.targets], dtype=np.int64)
    typed = fitted.requests.fragments[wanted, random.integers(0, FRAGMENTS, len(some))]
    queries = F.normalize(fitted.projection(typed), dim=-1)
    known = users_of(some.histories, retriever)
    return [
        (retriever, Cases(users_of(cases.histories, retriever), cases.histories, cases.targets)),
        (newer, Cases(users_of(some.histories, newer), some.histories, some.targets)),
        (retriever, Cases(users_of(short, retriever, queries), short, some.targets, queries.numpy())),
        (retriever, Cases(known, some.histories, some.targets, allow_seen=True)),
    ]


@torch.inference_mode()
def with_newcomers(fitted: Fitted, retriever: Retriever, levels: tuple[float, float], seed: int) -> Retriever:
    """A catalogue in which nobody has taken a tenth of the known items yet, as after a delivery of new ones.

    Few data sets have enough new items for the scorer to learn what a newcomer's likeness is worth.
    """
    known = retriever.popularity > 0
    rows = np.flatnonzero(known)
    playing = np.zeros_like(known)
    playing[np.random.default_rng(seed).permutation(rows)[: round(_NEW * len(rows))]] = True
    read = F.normalize(fitted.projection(torch.from_numpy(fitted.read)), dim=-1).numpy()
    vectors = fitted.vectors.copy()
    vectors[playing] = settled(read[playing], fitted.vectors, known & ~playing, fitted.newcomer_length)
    return replace(
        retriever,
        vectors=vectors,
        popularity=np.where(playing, 0, retriever.popularity).astype(np.int32),
        neighbours=with_votes_by_text(retriever.neighbours, fitted.read, playing, levels[0]),
        followers=with_votes_by_text(retriever.followers, fitted.read, playing, levels[1]),
        index=VectorIndex.exact_only(vectors),
    )
