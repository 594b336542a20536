"""What the scorer learns from: requests of validation users of every kind, and of a catalogue with newcomers."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pocketrec.index import VectorIndex
from pocketrec.likeness import TextLikeness
from pocketrec.newcomers import settled
from pocketrec_export.graphs.factorisation import FactorisationTower
from pocketrec_export.graphs.user import UserTower
from pocketrec_export.held_out import HeldOut
from pocketrec_export.title_fragments import FRAGMENTS
from pocketrec_training.evaluate.query_split import Asked
from pocketrec_training.item_fitting import Fitted
from pocketrec_training.newcomers.length import playing_newcomers
from pocketrec_training.newcomers.votes import with_votes_by_text
from pocketrec_training.scorer.candidate_lists import Cases, Retriever
from pocketrec_training.tower.ranking import user_vectors


@torch.inference_mode()
def scorer_cases(
    fitted: Fitted,
    retriever: Retriever,
    levels: tuple[float, float],
    cases: HeldOut,
    asked: Asked,
    again: int,
    seed: int,
) -> list[tuple[Retriever, Cases]]:
    """Validation users in four kinds of request, and the queries that validate.

    Users as they are; where some items are new; with a query; and where what they took may come again.

    Args:
        fitted: Items, tower and what the language model says of requests.
        retriever: Source of candidates and features.
        levels: Of votes for newcomers, by neighbours and by followers.
        cases: Validation users in random order, or queries.
        asked: The queries that validate.
        again: Most users for each kind of request but the first.
        seed: Of newcomers, of queries and of what is left of histories beside them.
    """
    groups, history = [], retriever.history
    if cases.queries is None:
        # The first, so that a case has the same place in every group, and the same fold.
        some, new = cases.chosen(np.arange(min(again, len(cases)))), with_newcomers(fitted, retriever, levels, seed)
        groups = [
            (retriever, _plain(fitted.user, retriever, cases)),
            (new, _plain(fitted.user, new, some)),
            (retriever, _with_titles(fitted, some, history, seed)),
            (retriever, replace(_plain(fitted.user, retriever, some), allow_seen=True)),
        ]
    if cases.queries is not None or len(asked):
        groups.append((retriever, _typed(fitted, asked.held_out(), fitted.requests.held_out, history)))
    return groups


def _plain(user: UserTower | FactorisationTower, retriever: Retriever, cases: HeldOut) -> Cases:
    vectors = torch.from_numpy(retriever.vectors)
    return Cases(
        user_vectors(user, vectors, cases.histories, retriever.history).numpy(), cases.histories, cases.targets
    )


def _with_titles(fitted: Fitted, cases: HeldOut, history: int, seed: int) -> Cases:
    """A piece of the target's title beside a part of the history."""
    random = np.random.default_rng(seed)
    kept = random.integers(0, history + 1, len(cases)) * (random.random(len(cases)) < 0.5)
    short = [rows[len(rows) - min(len(rows), keep) :] for rows, keep in zip(cases.histories, kept, strict=True)]
    wanted = np.array([rows[0] for rows in cases.targets], dtype=np.int64)
    titles = fitted.requests.fragments[wanted, random.integers(0, FRAGMENTS, len(cases))]
    return _typed(fitted, HeldOut(cases.users, short, cases.targets), titles, history)


def _typed(fitted: Fitted, cases: HeldOut, texts: Tensor, history: int) -> Cases:
    """Cases with text vectors [cases, width] of what was typed."""
    queries = fitted.projected(texts)
    users = user_vectors(fitted.user, torch.from_numpy(fitted.vectors), cases.histories, history, queries)
    return Cases(users.numpy(), cases.histories, cases.targets, queries.numpy())


@torch.inference_mode()
def with_newcomers(fitted: Fitted, retriever: Retriever, levels: tuple[float, float], seed: int) -> Retriever:
    """A catalogue in which nobody has taken a tenth of the known items yet, as after a delivery of new ones.

    Few data sets have enough new items for the scorer to learn what a newcomer's likeness is worth.
    """
    known = retriever.popularity > 0
    playing = playing_newcomers(known, seed)
    read = fitted.projected(torch.from_numpy(fitted.read)).numpy()
    vectors = fitted.vectors.copy()
    vectors[playing] = settled(read[playing], fitted.vectors, known & ~playing, fitted.newcomer_length)
    texts = TextLikeness(fitted.read, lambda: fitted.texts)
    return replace(
        retriever,
        vectors=vectors,
        popularity=np.where(playing, 0, retriever.popularity).astype(np.int32),
        trend=np.where(playing, 0, retriever.trend).astype(np.float32),
        neighbours=with_votes_by_text(retriever.neighbours, texts, playing, levels[0]),
        followers=with_votes_by_text(retriever.followers, texts, playing, levels[1]),
        index=VectorIndex.exact_only(vectors),
    )
