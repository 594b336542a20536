"""Known items as if they came after export."""

import msgspec
import numpy as np
import pytest
from fakes import make_bundle, seal, shop_items

from pocketrec import Recommender
from pocketrec.arrivals import name, with_arrivals
from pocketrec.bundle import Bundle

ROWS = np.array([3, 7], np.int32)


@pytest.fixture
def bundle(tmp_path):
    make_bundle(tmp_path / "bundle")
    return Bundle.open(tmp_path / "bundle")


def test_they_stand_in_the_catalogue_once_and_by_their_text(bundle):
    recommender = with_arrivals(bundle, ROWS)
    ids = bundle.catalogue.ids
    assert len(recommender) == len(ids)
    for row in ROWS:
        assert recommender.item(ids[row]) is None
        assert recommender.item(name(ids[row])).title == bundle.catalogue.item(int(row)).title


def test_they_are_scored_as_items_that_nobody_took_and_somebody_adds(tmp_path, bundle):
    items = shop_items()
    late = [items[row] for row in ROWS]
    before = bundle.popularity.copy()
    recommender = with_arrivals(bundle, ROWS)
    folder = make_bundle(tmp_path / "by hand")
    counts = np.load(folder / "popularity.npy")
    counts[ROWS] = 0
    np.save(folder / "popularity.npy", counts)
    seal(folder, len(items))
    by_hand = Recommender.load(folder)
    by_hand.remove([item.id for item in late])
    by_hand.upsert([msgspec.structs.replace(item, id=f"new {item.id}") for item in late])
    history = [items[0].id, items[1].id]
    mine = recommender.score(history, [name(item.id) for item in late])
    assert mine == pytest.approx(by_hand.score(history, [f"new {item.id}" for item in late]), abs=1e-6)
    assert np.array_equal(bundle.popularity, before)
