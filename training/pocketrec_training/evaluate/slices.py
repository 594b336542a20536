"""Which test cases are the hard ones: cold and rare items, short and long histories, unlike queries."""

import numpy as np
from numpy.typing import NDArray

from pocketrec_export.held_out import HeldOut
from pocketrec_training.evaluate.query_split import QueryParts

SHORT = 5
"""Histories up to this length are short."""
LONG = 20
"""Histories beyond this length are long."""
HEAD_SHARE = 0.2
"""The most popular items that together have this share of interactions are the head."""


def head_items(popularity: NDArray[np.int64], share: float = HEAD_SHARE) -> NDArray[np.bool_]:
    """The fewest most popular items that together have `share` of all interactions, [items].

    Example:
        >>> head_items(np.array([1, 5, 2, 2]), share=0.6)
        array([False,  True,  True, False])
    """
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]
    head = np.zeros(len(popularity), dtype=np.bool_)
    head[order[before < share * popularity.sum()]] = True
    return head & (popularity > 0)


def query_slices(queries: QueryParts, cold: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Test queries by how far they are from those that were learnt from.

        cold    all answers without an interaction or another query that anything was learnt or chosen by
        unlike  no other query has half of the words: it is no negation or rewording of one that was learnt

    Args:
        queries: Of all parts.
        cold: Items that were never met, [items]; see `Split.cold`.

    Returns:
        Masks [n] by name.
    """
    return {
        "cold": np.array([cold[rows].all() for rows in queries.test.answers], dtype=np.bool_),
        "unlike": queries.unlike(),
    }


def slices(held_out: HeldOut, popularity: NDArray[np.int64], cold: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Cases by the kind of what they ask for.

        head, tail      whether any target is a head item
        cold            all targets without an interaction that anything was learnt or chosen by
        short-history   at most 5 interactions
        long-history    more than 20

    Args:
        held_out: The cases.
        popularity: Interactions with each item that models may learn from, [items].
        cold: Items that were never met, [items]; see `Split.cold`.

    Returns:
        Masks [n] by name; a case can be in several slices or in none.
    """
    head = head_items(popularity)
    in_head = np.array([head[rows].any() for rows in held_out.targets], dtype=np.bool_)
    lengths = np.array([len(rows) for rows in held_out.histories], dtype=np.int64)
    return {
        "head": in_head,
        "tail": ~in_head,
        "cold": np.array([cold[rows].all() for rows in held_out.targets], dtype=np.bool_),
        "short-history": lengths <= SHORT,
        "long-history": lengths > LONG,
    }
