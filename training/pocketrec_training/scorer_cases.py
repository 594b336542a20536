"""What the scorer learns from: requests of validation users of every kind."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pocketrec_export.held_out import HeldOut
from pocketrec_training.evaluate.query_split import Asked
from pocketrec_training.item_fitting import Fitted
from pocketrec_training.request_texts import FRAGMENTS
from pocketrec_training.scorer_training import Cases
from pocketrec_training.tower_ranking import user_vectors


@torch.inference_mode()
def scorer_cases(fitted: Fitted, cases: HeldOut, asked: Asked, history: int, seed: int) -> list[Cases]:
    """Validation users in three kinds of request, and the queries that validate.

    Users as they are; with a query for their target and a part of their history; and where all items may come.

    Args:
        fitted: Items, tower and what the language model says of requests.
        cases: Validation users, or queries.
        asked: The queries that validate.
        history: Newest items that the tower reads.
        seed: Of queries and of what is left of histories.
    """
    groups = []
    if cases.queries is None:
        plain = _plain(fitted, cases, history)
        groups += [plain, _with_titles(fitted, cases, history, seed), replace(plain, allow_seen=True)]
    if cases.queries is not None or len(asked):
        groups.append(_typed(fitted, asked.held_out(), fitted.requests.held_out, history))
    return groups


def _plain(fitted: Fitted, cases: HeldOut, history: int) -> Cases:
    users = user_vectors(fitted.user, torch.from_numpy(fitted.vectors), cases.histories, history)
    return Cases(users.numpy(), cases.histories, cases.targets)


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
