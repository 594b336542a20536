"""What the scorer learns from: requests of validation users of every kind, and of a catalogue with newcomers."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from pocketrec.index import VectorIndex
from pocketrec.newcomers import settled
from pocketrec_export.held_out import HeldOut
from pocketrec_training.candidate_lists import Cases, Retriever
from pocketrec_training.item_fitting import Fitted
from pocketrec_training.request_texts import FRAGMENTS
from pocketrec_training.tower_ranking import user_vectors

_NEW = 0.1
"""Share of the known items that play newcomers."""


@torch.inference_mode()
def scorer_cases(fitted: Fitted, retriever: Retriever, cases: HeldOut, seed: int) -> list[tuple[Retriever, Cases]]:
    """Validation users as they are; where some items are new; with a query; and where what they took may come again.

    Args:
        fitted: Items, tower and what the language model says of requests.
        retriever: Source of candidates and features.
        cases: Validation users.
        seed: Of newcomers, of queries and of what is left of histories beside them.
    """
    new, history = with_newcomers(fitted, retriever, seed), retriever.history
    vectors = torch.from_numpy(fitted.vectors)
    plain = user_vectors(fitted.user, vectors, cases.histories, history).numpy()
    among_new = user_vectors(fitted.user, torch.from_numpy(new.vectors), cases.histories, history).numpy()
    random = np.random.default_rng(seed)
    kept = random.integers(0, history + 1, len(cases)) * (random.random(len(cases)) < 0.5)
    short = [rows[len(rows) - min(len(rows), keep) :] for rows, keep in zip(cases.histories, kept, strict=True)]
    wanted = np.array([rows[0] for rows in cases.targets], dtype=np.int64)
    typed = fitted.requests.fragments[wanted, random.integers(0, FRAGMENTS, len(cases))]
    queries = F.normalize(fitted.projection(typed), dim=-1)
    users = user_vectors(fitted.user, vectors, short, history, queries).numpy()
    return [
        (retriever, Cases(plain, cases.histories, cases.targets)),
        (new, Cases(among_new, cases.histories, cases.targets)),
        (retriever, Cases(users, short, cases.targets, queries.numpy())),
        (retriever, Cases(plain, cases.histories, cases.targets, allow_seen=True)),
    ]


@torch.inference_mode()
def with_newcomers(fitted: Fitted, retriever: Retriever, seed: int) -> Retriever:
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
        neighbours=retriever.neighbours.without(playing),
        followers=retriever.followers.without(playing),
        index=VectorIndex.exact_only(vectors),
    )
