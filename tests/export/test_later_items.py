"""An item that comes after export has as many votes as those that were new at export."""

import numpy as np

from pocketrec import Item, Recommender
from pocketrec.manifest import Manifest
from pocketrec_export.model import Model


def test_an_item_to_come_gets_about_the_votes_of_the_models_level(toy_model, toy_bundle):
    model, facts = Model.load(toy_model), Manifest.read(toy_bundle)
    recommender = Recommender.load(toy_bundle)
    items = [Item(id=f"new-{item.id}", title=item.title, categories=item.categories) for item in model.items]
    recommender.upsert(items)
    live = recommender._live
    order = [item.id for item in live.changes.items]
    total = np.zeros(len(items))
    for row in range(len(model.items)):  # each by itself, so that nothing falls with age
        cast = live.late_votes(np.array([row], np.int32))[0]
        cast[order.index(f"new-{model.items[row].id}")] = 0  # its own twin was not among those that set the scale
        total += cast
    wanted = model.card.neighbour_level * model.neighbours.mean_votes(model.popularity > 0)
    assert facts.neighbours.newcomer_scale > 0
    assert 0.4 * wanted < total.mean() < 1.1 * wanted  # the twin draws it away from all others


def test_where_votes_decide_a_new_item_is_recommended_to_those_who_took_its_like(toy_bundle):
    recommender = Recommender.load(toy_bundle)
    recommender.upsert([Item(id="new", title="large green cup", categories=("kitchen",))])
    places = {}
    for colour in ("green", "red"):
        history = [f"{colour}-{number}" for number in range(1, 6)]
        ranked = recommender.rank(history, k=40)
        places[colour] = ranked.index("new")
    assert places["green"] < 10
    assert places["green"] < places["red"]
