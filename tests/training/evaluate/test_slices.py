import numpy as np
from made_data import rows_of

from pocketrec_export.held_out import HeldOut
from pocketrec_training.evaluate.slices import head_items, slices


def test_head_holds_its_share_of_interactions_with_the_fewest_items():
    popularity = np.array([50, 30, 10, 5, 5, 0])
    assert np.flatnonzero(head_items(popularity, 0.2)).tolist() == [0]
    assert np.flatnonzero(head_items(popularity, 0.6)).tolist() == [0, 1]
    assert not head_items(np.zeros(3, np.int64)).any()


def test_cases_fall_into_the_slices_they_were_made_for():
    popularity = np.array([50, 1, 0])
    lengths = [5, 6, 20, 21]
    held_out = HeldOut(
        users=np.arange(4, dtype=np.int32),
        histories=[np.zeros(length, np.int32) for length in lengths],
        targets=[rows_of(0), rows_of(1), rows_of(2), rows_of(2, 1)],
    )
    found = {name: mask.tolist() for name, mask in slices(held_out, popularity, popularity == 0).items()}
    assert found == {
        "head": [True, False, False, False],
        "tail": [False, True, True, True],
        "cold": [False, False, True, False],
        "short-history": [True, False, False, False],
        "long-history": [False, False, False, True],
    }
