"""What the scorer learns from: requests of validation users of every kind."""

import numpy as np
import torch
import torch.nn.functional as F

from pocketrec_export.held_out import HeldOut
from pocketrec_training.item_fitting import Fitted
from pocketrec_training.request_texts import FRAGMENTS
from pocketrec_training.scorer_training import Cases
from pocketrec_training.tower_ranking import user_vectors


@torch.inference_mode()
def scorer_cases(fitted: Fitted, cases: HeldOut, history: int, seed: int) -> list[Cases]:
    """Validation users as they are; with a query for their target and a part of their history; and where all may come.

    Args:
        fitted: Items, tower and what the language model says of requests.
        cases: Validation users.
        history: Newest items that the tower reads.
        seed: Of queries and of what is left of histories.
    """
    vectors = torch.from_numpy(fitted.vectors)
    plain = user_vectors(fitted.user, vectors, cases.histories, history).numpy()
    random = np.random.default_rng(seed)
    kept = random.integers(0, history + 1, len(cases)) * (random.random(len(cases)) < 0.5)
    short = [rows[len(rows) - min(len(rows), keep) :] for rows, keep in zip(cases.histories, kept, strict=True)]
    wanted = np.array([rows[0] for rows in cases.targets], dtype=np.int64)
    typed = fitted.requests.fragments[wanted, random.integers(0, FRAGMENTS, len(cases))]
    queries = F.normalize(fitted.projection(typed), dim=-1)
    users = user_vectors(fitted.user, vectors, short, history, queries).numpy()
    return [
        Cases(plain, cases.histories, cases.targets),
        Cases(users, short, cases.targets, queries.numpy()),
        Cases(plain, cases.histories, cases.targets, allow_seen=True),
    ]
