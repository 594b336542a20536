"""Matrix factorisation of implicit feedback by alternating least squares (Hu, Koren and Volinsky 2008)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from pocketrec.config import Config
from pocketrec.progress import progress


class FactorisationConfig(Config, frozen=True, kw_only=True):
    """How matrix factorisation is fitted."""

    regularisation: Annotated[float, Meta(gt=0)] = 1.0
    """lambda: pulls factors towards zero, once for each user and item (Rendle et al. 2022 scale it by size)."""
    confidence: Annotated[float, Meta(gt=0)] = 10.0
    """alpha: how much more a seen item counts than an unseen one."""
    rounds: Annotated[int, Meta(ge=1)] = 15
    """Alternations between users and items."""


@dataclass(frozen=True, slots=True)
class Factors:
    """Fitted factors; `fold_in` gives those of users who were not there."""

    users: Tensor
    items: Tensor
    config: FactorisationConfig

    def fold_in(self, histories: Sequence[NDArray[np.int32]]) -> Tensor:
        """Factors of users from their histories, float [users, factors]."""
        return _solve(self.items, histories, self.config)


def fit_factors(
    histories: Sequence[NDArray[np.int32]], items: int, size: int, config: FactorisationConfig, seed: int
) -> Factors:
    """Factorise the matrix of who took what.

    Args:
        histories: Item rows of each user.
        items: Number of items in the catalogue.
        size: Length of a factor.
        config: Regularisation, confidence, rounds.
        seed: Of the first, random item factors.
    """
    random = torch.Generator().manual_seed(seed)
    item_factors = torch.randn(items, size, generator=random) * size**-0.5 * 0.1
    unique = [np.unique(rows) for rows in histories]
    takers = _transpose(unique, items)
    user_factors = torch.zeros(len(histories), size)
    with progress("Factorising", total=config.rounds) as shown:
        for _ in range(config.rounds):
            user_factors = _solve(item_factors, unique, config)
            item_factors = _solve(user_factors, takers, config)
            shown.advance()
    return Factors(user_factors, item_factors, config)


def _solve(fixed: Tensor, seen: Sequence[NDArray[np.int32]], config: FactorisationConfig) -> Tensor:
    """One half of a round: least squares for every row, given the other side's factors."""
    size = fixed.shape[1]
    shared = fixed.T @ fixed + config.regularisation * torch.eye(size)
    solved = torch.zeros(len(seen), size)
    padded = torch.cat([fixed, torch.zeros(1, size)])  # the last row stands for padding
    order = np.argsort([len(rows) for rows in seen], kind="stable")
    for chunk in _chunks(order, seen, size):
        rows = [torch.from_numpy(seen[i].astype(np.int64)) for i in chunk]
        vectors = padded[pad_sequence(rows, batch_first=True, padding_value=len(fixed))]
        left = shared + config.confidence * vectors.transpose(1, 2) @ vectors
        right = (1 + config.confidence) * vectors.sum(dim=1)
        solved[torch.from_numpy(chunk)] = torch.linalg.solve(left, right)
    return solved


def _chunks(order: NDArray[np.intp], seen: Sequence[NDArray[np.int32]], size: int) -> list[NDArray[np.intp]]:
    """Cut rows, short ones first, into pieces whose padded vectors fit in about 100 MB."""
    chunks, start = [], 0
    for end in range(1, len(order) + 1):
        width = max(len(seen[order[end - 1]]), size)
        if end == len(order) or (end - start + 1) * width * size > 25_000_000:
            chunks.append(order[start:end])
            start = end
    return chunks


def _transpose(histories: Sequence[NDArray[np.int32]], items: int) -> list[NDArray[np.int32]]:
    """Users of each item."""
    users = np.repeat(np.arange(len(histories), dtype=np.int32), [len(rows) for rows in histories])
    rows = np.concatenate([*histories, np.zeros(0, np.int32)])
    order = np.argsort(rows, kind="stable")
    return np.split(users[order], np.searchsorted(rows[order], np.arange(1, items)))
