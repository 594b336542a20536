"""What a request's arguments do, one by one, where the right answer is known by construction."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fakes import DECAY, HISTORY, make_bundle, newcomer, newcomer_votes, shop_items, text_vector
from hypothesis import given
from hypothesis import strategies as st

from pocketrec import Item, Recommender
from pocketrec.bundle import Bundle
from pocketrec.features import FEATURES
from pocketrec.overlay import Overlay, Vectors

IDS = [item.id for item in shop_items()]
TITLES = [item.title for item in shop_items()]
VECTORS = np.stack([text_vector(title) for title in TITLES])


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    return Recommender.load(make_bundle(tmp_path_factory.mktemp("recommender") / "bundle"))


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """Without neighbours: a score is the cosine of user and item."""
    return Recommender.load(make_bundle(tmp_path_factory.mktemp("silent") / "bundle", weights=np.zeros((16, 16))))


def scores(recommender, *arguments, **options):
    answer = recommender.recommend(*arguments, k=99, allow_seen=True, **options)
    return [{line.id: line.score for line in answer}[id] for id in IDS]


def unit(vector):
    return vector / np.linalg.norm(vector)


def test_history_context_and_query_make_the_user(silent):
    for history, context, query in (
        (["i0"], None, None),
        (["i0", "i5"], "grey rug", None),
        ([], "grey rug", None),
        ([], None, "grey"),
        (["i0", "i9"], "blue", "grey lamp"),
    ):
        user = VECTORS[[IDS.index(id) for id in history]].sum(axis=0)
        user = user + text_vector(context or "") + 2 * text_vector(query or "")
        assert scores(silent, history, context=context, query=query) == pytest.approx(VECTORS @ unit(user), abs=1e-5)


def test_votes_fall_with_age(recommender):
    user = unit(VECTORS[[2, 6]].sum(axis=0))
    expected = VECTORS @ user
    expected[7] += 1  # of i6, the newest
    expected[3] += np.sqrt(0.5)  # of i2, one step older
    assert scores(recommender, ["i2", "i6"]) == pytest.approx(expected, abs=1e-5)


def test_the_scorer_is_fed_what_the_features_are_named_for(tmp_path):
    fed = {}

    class Watched:
        def run(self, inputs):
            fed.update(inputs)
            return inputs["features"][..., 0]

    bundle = replace(Bundle.open(make_bundle(tmp_path / "bundle")), scorer=Watched())
    overlay = Overlay.open(None, "", 8, lambda items: Vectors.none(8))
    recommender = Recommender(bundle, overlay)
    recommender.upsert([Item(id="new", title="blue rug"), Item(id="i7", title="grey cup")])
    history, candidates = ["i9", "new", "i1", "i6"], ["i7", "i2", "new", "i15", "i0"]
    recommender.score(history, candidates, query="red")

    def place(id):
        title = recommender.item(id).title
        return newcomer(title, tmp_path / "bundle") if id == "new" else text_vector(title)

    vectors, past = (np.stack([place(id) for id in ids]) for ids in (candidates, history))
    user = unit(past.sum(axis=0) + 2 * text_vector("red"))
    table = dict(zip(FEATURES, fed["features"][0].T, strict=True))

    by_likeness = newcomer_votes("blue rug")  # in either table
    said = np.sqrt([by_likeness[9] * DECAY**3 + by_likeness[1] * DECAY + by_likeness[6], by_likeness[6]])
    expected = {
        "tower": [vector @ user for vector in vectors],
        "neighbours": [1, np.sqrt(0.5), said[0], 0, 0],  # of i6 for i7, of i1 for i2
        "last_neighbours": [1, 0, said[1], 0, 0],
        "followers": [0, 0, said[0], 0, 0],  # of i6 for i8, of i1 for i3
        "last_followers": [0, 0, said[1], 0, 0],
        "last_similarity": [vector @ past[-1] for vector in vectors],
        "mean_similarity": [vector @ past.mean(axis=0) for vector in vectors],
        "query_similarity": [vector @ text_vector("red") for vector in vectors],
        "query_given": [1] * 5,
        "popularity": np.log1p([8, 13, 0, 0, 15]) / np.log1p(15),
        "cold": [0, 0, 1, 1, 0],
    }
    for name, values in expected.items():
        assert table[name] == pytest.approx(values, abs=1e-5), name
    assert fed["user"][0] == pytest.approx(user, abs=1e-5)
    assert fed["candidates"][0] == pytest.approx(vectors, abs=1e-5)


def test_the_tower_reads_the_newest_items_while_older_ones_still_vote(recommender):
    history = [f"i{row}" for row in range(HISTORY + 4)]
    expected = VECTORS @ unit(VECTORS[4 : HISTORY + 4].sum(axis=0))
    for age, row in enumerate(range(HISTORY + 3, -1, -1)):
        expected[row + 1] += np.sqrt(DECAY**age)
    assert scores(recommender, history) == pytest.approx(expected, abs=1e-5)


def test_all_seen_items_are_left_out(recommender):
    history = [f"i{row}" for row in range(HISTORY + 4)]
    assert set(recommender.rank(history, k=99)) == set(IDS) - set(history)


def test_the_scorer_is_told_that_items_may_come_again(tmp_path):
    fed = []

    class Watched:
        def run(self, inputs):
            fed.append(inputs["features"][0, :, FEATURES.index("seen_allowed")])
            return inputs["features"][..., 0]

    bundle = replace(Bundle.open(make_bundle(tmp_path / "bundle")), scorer=Watched())
    recommender = Recommender(bundle, Overlay.open(None, "", 8, lambda items: Vectors.none(8)))
    for allow_seen in (False, True):
        recommender.recommend(["i1"], allow_seen=allow_seen)
        recommender.rank(["i1"], allow_seen=allow_seen)
        recommender.recommend_many([["i1"]], allow_seen=allow_seen)
        recommender.score(["i1"], ["i2"], allow_seen=allow_seen)
    assert [set(each.tolist()) for each in fed] == [{0.0}] * 4 + [{1.0}] * 4


def test_unknown_ids_of_a_history_are_passed_over(recommender):
    assert recommender.recommend(["gone", "i3", "?"], k=5) == recommender.recommend(["i3"], k=5)
    assert recommender.recommend(["gone"], k=5) == recommender.recommend(k=5)


def test_a_history_may_come_from_anything_that_yields_ids(recommender):
    expected = recommender.recommend(["i1", "i2"])
    assert recommender.recommend(iter(["i1", "i2"])) == expected
    assert recommender.recommend(("i1", "i2")) == expected
    assert recommender.recommend(np.array(["i1", "i2"])) == expected


@given(
    history=st.lists(st.sampled_from(IDS), max_size=9),
    k=st.integers(1, 20),
    query=st.sampled_from([None, "red lamp"]),
    diversity=st.sampled_from([0.0, 0.4, 1.0]),
)
def test_answers_have_no_item_twice_and_fall_by_score(recommender, history, k, query, diversity):
    answer = recommender.recommend(history, query=query, k=k, diversity=diversity)
    assert len({line.id for line in answer}) == len(answer) == min(k, 16 - len(set(history)))
    if not diversity:
        assert all(one.score >= next.score for one, next in pairwise(answer))
    assert all(line.id == line.item.id and type(line.score) is float for line in answer)


def test_diversity_trades_score_for_variety(silent):
    def variety(answer):
        vectors = VECTORS[[IDS.index(line.id) for line in answer]]
        return 1 - (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)].mean()

    plain, mixed = (silent.recommend(["i0"], query="red", k=4, diversity=strength) for strength in (0, 0.8))
    assert variety(mixed) > variety(plain)
    assert mixed[0] == plain[0]
    assert sum(line.score for line in mixed) < sum(line.score for line in plain)


@given(among=st.sets(st.sampled_from([*IDS, "unknown"])), k=st.integers(1, 20), history=st.lists(st.sampled_from(IDS)))
def test_only_the_items_asked_for_appear_and_in_the_usual_order(recommender, among, k, history):
    usual = [line.id for line in recommender.recommend(history, k=99)]
    wanted = [id for id in usual if id in among]
    answer = [line.id for line in recommender.recommend(history, k=k, among=among)]
    assert answer == wanted[:k]
    assert recommender.rank(history, k=k, among=among) == answer


def test_added_items_may_be_asked_for_alone(tmp_path):
    recommender = Recommender.load(make_bundle(tmp_path / "bundle"))
    recommender.upsert([Item(id="new", title="blue rug"), Item(id="other", title="red lamp")])
    assert [line.id for line in recommender.recommend(["i0"], among=["new"])] == ["new"]
    assert {line.id for line in recommender.recommend(["i0"], among=["other", "i3"])} == {"other", "i3"}
    assert recommender.recommend(["i0"], among=[]) == []


def test_similar_items_come_by_their_vectors(recommender):
    near = recommender.similar("i5", k=99)
    assert {line.id: line.score for line in near} == pytest.approx(
        {id: float(VECTORS[row] @ VECTORS[5]) for row, id in enumerate(IDS) if id != "i5"}, abs=1e-5
    )
    red = recommender.similar("i5", k=2, where={"colour": "red"})
    assert red[0].id == "i1"
    assert all(line.item.attributes["colour"] == "red" for line in red)


def test_many_histories_obey_the_same_rules(recommender):
    histories = [["i0"], [], ["i4", "i5"]]
    options = {"k": 3, "where": {"colour": ["red", "green"]}, "among": IDS[2:12], "allow_seen": True}
    assert recommender.recommend_many(histories, **options) == [
        recommender.recommend(history, **options) for history in histories
    ]
    assert recommender.recommend_many([]) == []


def test_scores_without_a_person_are_popularity(recommender):
    found = recommender.score([], IDS)
    assert found[0] == 1
    assert found[-1] == 0
    assert found == sorted(found, reverse=True)
    assert recommender.score(["i0"], []) == []


def test_the_encoder_sums_words_and_cuts_texts(recommender):
    texts = ["red cup", "  red \n cup ", "red", "unheard", "red green blue grey cup lamp"]
    expected = np.stack([text_vector(text) for text in [*texts[:4], "red green blue grey"]])
    assert recommender.encode(texts) == pytest.approx(expected, abs=1e-6)
    assert recommender.encode([]).shape == (0, 8)


def test_callers_cannot_alter_cached_vectors(recommender):
    recommender.encode(["red cup"])[:] = 0
    assert recommender.encode(["red cup"])[0] == pytest.approx(text_vector("red cup"))


def test_a_session_passes_every_option_on(recommender):
    options = {
        "query": "blue",
        "context": "rug",
        "k": 4,
        "where": {"sale": True},
        "exclude": ["i8"],
        "among": ["i1", "i3", "i4", "i8", "i11"],
        "allow_seen": True,
        "diversity": 0.5,
        "explain": True,
    }
    session = recommender.session(["i2"])
    session.observe("i0")
    assert session.recommend(**options) == recommender.recommend(["i2", "i0"], **options)
    for wrong in ("", None, 5):
        with pytest.raises(ValueError, match="non-empty text"):
            session.observe(wrong)


@pytest.mark.parametrize("k", [1, np.int64(1)])
def test_whole_numbers_of_any_kind_are_lengths(recommender, k):
    assert len(recommender.recommend(k=k)) == 1


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda r: r.recommend(k=True), ValueError, "not True"),
        (lambda r: r.recommend(k="3"), ValueError, "not '3'"),
        (lambda r: r.rank(k=-1), ValueError, "not -1"),
        (lambda r: r.recommend_many([["i0"]], k=0), ValueError, "not 0"),
        (lambda r: r.similar("i0", k=2.5), ValueError, r"not 2\.5"),
        (lambda r: r.recommend(diversity=float("nan")), ValueError, "not nan"),
        (lambda r: r.recommend(diversity="much"), ValueError, "not 'much'"),
        (lambda r: r.recommend(None), TypeError, "history must be a list of ids"),
        (lambda r: r.recommend([5]), TypeError, "int: 5"),
        (lambda r: r.recommend_many(["i0"]), TypeError, "'i0'"),
        (lambda r: r.recommend(exclude="i0"), TypeError, "exclude .* 'i0'"),
        (lambda r: r.recommend(query=5), TypeError, "query must be a string, not int"),
        (lambda r: r.recommend(context=" "), ValueError, "context is empty"),
        (lambda r: r.recommend(query="\ud800"), ValueError, "query isn't Unicode"),
        (lambda r: r.encode(["red", None]), TypeError, "texts must be a string, not NoneType"),
        (lambda r: r.remove("i0"), TypeError, "ids must be a list of ids, not"),
    ],
)
def test_a_wrong_argument_is_told_with_name_and_value(recommender, call, error, says):
    with pytest.raises(error, match=says):
        call(recommender)
