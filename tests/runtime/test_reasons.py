"""Reasons say what an answer is made of: the strongest vote, the nearest item, the query."""

import numpy as np
import pytest
from fakes import make_bundle, shop_items, text_vector

from pocketrec import Item, Recommender

VECTORS = np.stack([text_vector(item.title) for item in shop_items()])


@pytest.fixture(scope="module")
def weights():
    """`i0` votes strongly for `i9`, `i1` weakly, `i2` against it."""
    dense = np.zeros((16, 16))
    dense[0, 9], dense[1, 9], dense[2, 9] = 1.0, 0.4, -2.0
    return dense


@pytest.fixture(scope="module")
def recommender(tmp_path_factory, weights):
    return Recommender.load(make_bundle(tmp_path_factory.mktemp("reasons") / "bundle", weights=weights))


def reasons(recommender, id, *arguments, **options):
    (line,) = [line for line in recommender.recommend(*arguments, k=99, explain=True, **options) if line.id == id]
    return {reason.kind: (reason.item_id, reason.weight) for reason in line.reasons}


def test_the_strongest_vote_counts_with_its_age(recommender):
    assert reasons(recommender, "i9", ["i1", "i0"])["bought_together"] == ("i0", 1.0)
    assert reasons(recommender, "i9", ["i0", "i1"])["bought_together"] == ("i0", 0.5)
    assert reasons(recommender, "i9", ["i0", "i3", "i1"])["bought_together"] == ("i1", 0.4)  # two steps: 0.25
    assert "bought_together" not in reasons(recommender, "i9", ["i2"])


def test_the_nearest_item_of_the_history_is_named(recommender):
    kind = reasons(recommender, "i6", ["i0", "i5", "i11"])["similar"]
    assert kind == ("i5", pytest.approx(float(VECTORS[6] @ VECTORS[5]), abs=1e-4))


def test_an_item_does_not_explain_itself(recommender):
    near = f"i{np.argsort(VECTORS[0] @ VECTORS.T)[-2]}"  # the last is itself
    assert reasons(recommender, "i0", [near, "i0"], allow_seen=True)["similar"][0] == near
    assert reasons(recommender, "i0", ["i0"], allow_seen=True) == {"popular": (None, 1.0)}


def test_the_query_counts_by_its_likeness(recommender):
    found = reasons(recommender, "i6", query="green")
    assert found == {"query": (None, pytest.approx(float(VECTORS[6] @ text_vector("green")), abs=1e-4))}


def test_nothing_known_is_explained_by_popularity(recommender):
    assert reasons(recommender, "i0") == {"popular": (None, 1.0)}
    assert reasons(recommender, "i15") == {"popular": (None, 0.0)}


def test_nobody_took_together_what_nobody_took(tmp_path, weights):
    """`i15` has no taker; a vote for it is one of its text."""
    weights[0, 15] = 3.0
    recommender = Recommender.load(make_bundle(tmp_path / "bundle", weights=weights))
    assert "bought_together" not in reasons(recommender, "i15", ["i0"])
    weights[0, 15] = 0.0


def test_what_is_unlike_all_of_the_history_is_not_called_similar(recommender):
    cosines = VECTORS @ VECTORS.T
    row, other = np.unravel_index(cosines.argmin(), cosines.shape)
    assert cosines[row, other] <= 0
    assert "similar" not in reasons(recommender, f"i{row}", [f"i{other}"])


def test_items_of_the_overlay_have_reasons_too(tmp_path, weights):
    recommender = Recommender.load(make_bundle(tmp_path / "bundle", weights=weights))
    recommender.upsert([Item(id="i0", title="grey rug"), Item(id="new", title="blue cup")])
    assert reasons(recommender, "i9", ["i1", "i0"])["bought_together"] == ("i0", 1.0)
    assert reasons(recommender, "new", ["i1", "i0"])["similar"][0] in ("i0", "i1")
    assert reasons(recommender, "i9", ["i0", "new"])["bought_together"] == ("i0", 0.5)


def test_without_explain_there_are_no_reasons(recommender):
    assert all(line.reasons == () for line in recommender.recommend(["i0"], query="red"))
