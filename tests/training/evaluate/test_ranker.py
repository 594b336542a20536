import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_data import rows_of

from pocketrec_training.evaluate import ranker
from pocketrec_training.evaluate.ranker import best, rank_by_scores


@given(st.integers(0, 1000), st.integers(1, 12))
def test_best_is_a_stable_sort_even_with_ties(seed, k):
    scores = np.random.default_rng(seed).integers(0, 4, (5, 12)).astype(np.float32)
    expected = [np.lexsort((np.arange(12), -line))[:k].tolist() for line in scores]
    assert best(scores, k).tolist() == expected


@given(st.integers(0, 1000))
def test_blocks_do_not_change_a_ranking(seed):
    random = np.random.default_rng(seed)
    table = random.random((30, 9)).astype(np.float32)
    histories = [rows_of(case % 9) for case in range(30)]

    def score(block):
        return table[[int(rows[0]) for rows in block]].copy()

    whole = rank_by_scores(score, 9, histories, 4, allow_seen=False)
    before, ranker._CELLS = ranker._CELLS, 20
    try:
        pieces = rank_by_scores(score, 9, histories, 4, allow_seen=False)
    finally:
        ranker._CELLS = before
    np.testing.assert_array_equal(whole, pieces)


def test_seen_items_go_unless_allowed_and_short_rankings_are_padded():
    def score(block):
        return np.tile(np.array([3, 2, 1], np.float32), (len(block), 1))

    assert rank_by_scores(score, 3, [rows_of(0)], 5, allow_seen=False).tolist() == [[1, 2, -1, -1, -1]]
    assert rank_by_scores(score, 3, [rows_of(0)], 5, allow_seen=True).tolist() == [[0, 1, 2, -1, -1]]
