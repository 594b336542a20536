"""Votes of a history, looked up for any items."""

import numpy as np
from fakes import neighbours_of
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.votes import Votes


@given(seed=st.integers(0, 999), length=st.integers(0, 6))
def test_votes_are_sums_of_rows_of_both_tables(seed, length):
    random = np.random.default_rng(seed)
    tables = [np.where(random.random((12, 12)) < 0.4, random.normal(size=(12, 12)), 0) for _ in range(2)]
    history, wanted = random.integers(0, 12, length), np.append(random.permutation(12)[:6], -1)  # -1 is no item
    together, later = (neighbours_of(table, decay) for table, decay in zip(tables, (0.5, 0.8), strict=True))

    expected = []
    for table, decay in zip(tables, (0.5, 0.8), strict=True):
        ages = np.arange(length)[::-1]
        expected.append((decay ** ages[:, None] * table[history]).sum(axis=0))
        expected.append(table[history[-1]] if length else np.zeros(12))
    found = Votes.of(history, together, later).at(wanted)
    np.testing.assert_allclose(found[:, :-1], np.array(expected)[:, wanted[:-1]], atol=1e-5)
    assert not found[:, -1].any()
    assert found.dtype == np.float32
