"""Varied histories and texts: what may change does, what must not doesn't."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.items import Item
from pocketrec.text import TextTemplate
from pocketrec_training.augment.histories import HistoryAugmentation, disguised, shortened
from pocketrec_training.augment.texts import kept_tokens, varied_texts
from pocketrec_training.tower.sequences import Batch

PIECES = st.lists(st.lists(st.integers(0, 99), min_size=2, max_size=30), min_size=1, max_size=8)


@given(pieces=PIECES, crop=st.floats(0, 0.99), drop=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_a_shortened_history_is_a_part_in_the_same_order(pieces, crop, drop, seed):
    given = [np.array(piece, np.int32) for piece in pieces]
    varied = shortened(given, HistoryAugmentation(crop=crop, drop=drop), np.random.default_rng(seed))
    assert len(varied) == len(given)
    for before, after in zip(given, varied, strict=True):
        assert len(after) >= 2
        rest = iter(before.tolist())
        assert all(item in rest for item in after.tolist())  # a subsequence


def test_cropping_alone_keeps_a_run_of_at_least_half():
    piece = np.arange(20, dtype=np.int32)
    lengths = set()
    for seed in range(60):
        (kept,) = shortened([piece], HistoryAugmentation(crop=0.99), np.random.default_rng(seed))
        assert np.array_equal(kept, np.arange(kept[0], kept[0] + len(kept)))
        lengths.add(len(kept))
    assert min(lengths) >= 10
    assert len(lengths) > 5


def test_a_disguise_changes_inputs_and_never_targets():
    batch = Batch.of([np.arange(50, dtype=np.int32), np.arange(30, dtype=np.int32)])
    near = (np.arange(50)[:, None] + np.array([100, 200])[None, :]).astype(np.int64)
    varied = disguised(batch, HistoryAugmentation(mask=0.3, substitute=0.4), near, np.random.default_rng(0))
    assert torch.equal(varied.rows, batch.rows)
    assert torch.equal(varied.mask, batch.mask)
    assert not varied.shown[batch.mask == 0].any()
    real = batch.mask > 0
    hidden = 1 - float(varied.shown[real].mean())
    other = varied.inputs[real] != batch.rows[real]
    assert 0.15 < hidden < 0.45
    assert 0.25 < float(other.float().mean()) < 0.55
    assert set(((varied.inputs - batch.rows)[real][other]).tolist()) == {100, 200}


def test_varied_texts_always_have_the_title_and_all_words_of_what_is_left():
    item = Item(id="1", title="Blue teapot", categories=("kitchen", "tea"), text="Holds a litre")
    texts = varied_texts([item] * 200, TextTemplate(), 0.4, np.random.default_rng(0))
    parts = {"Blue teapot", "kitchen, tea", "Holds a litre"}
    for text in texts:
        said = text.split(". ")
        assert "Blue teapot" in said
        assert set(said) <= parts
    assert len(set(texts)) == 6 + 4 + 1  # orders of three fields, of two with the title, and the title alone


def test_left_out_tokens_are_never_the_first_or_last():
    torch.manual_seed(0)
    counts = []
    for _ in range(200):
        kept = kept_tokens(12, 0.5)
        assert kept[0] == 0
        assert kept[-1] == 11
        assert torch.equal(kept, kept.unique())
        counts.append(len(kept))
    assert 6.5 < np.mean(counts) < 7.5
    assert torch.equal(kept_tokens(5, 0.0), torch.arange(5))
