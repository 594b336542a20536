"""What the runtime promises: acknowledged changes survive, k means k, the answer is that of brute force."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from fakes import NEWCOMER_LENGTH, make_bundle, random_vectors, shop_items, text_vector
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketrec import Item, Recommender
from pocketrec.newcomers import settled


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("fake") / "bundle")


_WRITER = """
import sys
from pathlib import Path
from pocketrec import Item, Recommender
recommender = Recommender.load(sys.argv[1], overlay=sys.argv[2])
start = int(sys.argv[3])
for number in range(start, start + 100000):
    recommender.upsert([Item(id=f"new{number}", title="red cup")])
    if number % 3 == 0:
        recommender.remove([f"new{number}"])
    print(number, flush=True)
"""


def test_everything_acknowledged_survives_kill_9(bundle, tmp_path):
    overlay, start = tmp_path / "state", 0
    chance = random.Random(0)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(bundle), str(overlay), str(start)], stdout=subprocess.PIPE, text=True
        )
        first = process.stdout.readline()
        assert first, "the writer died by itself"
        time.sleep(chance.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        seen = [int(line) for line in [first, *process.stdout.read().split()]]
        process.wait()
        recommender = Recommender.load(bundle, overlay=overlay)
        for number in range(seen[-1] + 1):
            assert (recommender.item(f"new{number}") is None) == (number % 3 == 0)
        recommender.close()
        start = seen[-1] + 1
    assert start > 6


ids = st.sampled_from([item.id for item in shop_items()])


@settings(max_examples=60, deadline=None)
@given(
    history=st.lists(ids, max_size=8),
    exclude=st.lists(ids, max_size=6),
    removed=st.lists(ids, max_size=6, unique=True),
    where=st.sampled_from(
        [None, {"categories": "kitchen"}, {"colour": ["red", "blue"]}, {"price": {"min": 3, "max": 9}}, {"sale": True}]
    ),
    added=st.integers(0, 3),
    k=st.integers(1, 20),
    walk=st.booleans(),
    query=st.sampled_from([None, "red cup", "grey"]),
)
def test_k_results_whenever_k_exist(tmp_path_factory, history, exclude, removed, where, added, k, walk, query):
    name = "walked" if walk else "scanned"
    folder = tmp_path_factory.getbasetemp() / name
    if not folder.exists():
        make_bundle(folder, walk=walk)
    recommender = Recommender.load(folder)
    recommender.remove(removed)
    news = [
        Item(
            id=f"n{i}",
            title="red rug",
            categories=("kitchen",),
            attributes={"colour": "red", "price": 4.0, "sale": True},
        )
        for i in range(added)
    ]
    recommender.upsert(news)

    def meets(item):
        if where is None:
            return True
        ((field, wanted),) = where.items()
        if field == "categories":
            return wanted in item.categories
        value = item.attributes[field]
        if isinstance(wanted, dict):
            return wanted["min"] <= value <= wanted["max"]
        return value in wanted if isinstance(wanted, list) else value == wanted

    gone = {*history, *exclude, *removed}
    expected = {item.id for item in [*shop_items(), *news] if item.id not in gone and meets(item)}
    answer = recommender.recommend(history, query=query, k=k, where=where, exclude=exclude)
    found = [line.id for line in answer]
    assert len(found) == len(set(found)) == min(k, len(expected))
    assert set(found) <= expected
    assert [line.score for line in answer] == sorted((line.score for line in answer), reverse=True)


@pytest.mark.parametrize("walk", [False, True])
def test_answer_equals_brute_force_over_the_whole_catalogue(tmp_path, walk):
    """Without votes a score is user times item, so the best k of the whole catalogue are known."""
    vectors = random_vectors(200)
    items = [Item(id=f"i{row}", title="red cup") for row in range(200)]
    folder = make_bundle(tmp_path / "bundle", items=items, vectors=vectors, weights=np.zeros((200, 200)), walk=walk)
    recommender = Recommender.load(folder)
    chance = np.random.default_rng(0)
    same = []
    for _ in range(50):
        rows = chance.choice(200, size=4, replace=False)
        user = vectors[rows].sum(axis=0)
        scores = vectors @ user
        scores[rows] = -np.inf
        best = [f"i{row}" for row in np.argsort(-scores, kind="stable")[:5]]
        same.append(recommender.rank([f"i{row}" for row in rows], k=5) == best)
    assert all(same) if not walk else np.mean(same) > 0.5


def test_many_at_once_get_what_each_gets_alone(bundle):
    recommender = Recommender.load(bundle)
    histories = [["i0"], ["i3", "i9", "unknown"], [], ["i1", "i2", "i3", "i4", "i5", "i6", "i7"]]
    together = recommender.recommend_many(histories, k=4)
    for history, answer in zip(histories, together, strict=True):
        assert [(line.id, line.score) for line in answer] == [
            (line.id, line.score) for line in recommender.recommend(history, k=4)
        ]


def test_removed_items_never_appear_and_replaced_ones_appear_as_they_are_now(bundle, tmp_path):
    recommender = Recommender.load(bundle, overlay=tmp_path / "state")
    recommender.remove(["i1"])
    recommender.upsert([Item(id="i2", title="red chair", categories=("sold",))])
    for _ in range(2):
        everything = recommender.recommend(["i0"], k=50)
        assert "i1" not in {line.id for line in everything}
        (replaced,) = [line for line in everything if line.id == "i2"]
        assert replaced.item.title == "red chair"
        assert len(recommender) == 15
        expected = float(text_vector("red cup") @ text_vector("red chair"))
        assert {line.id: line.score for line in recommender.similar("i0", k=50)}["i2"] == pytest.approx(
            expected, abs=1e-5
        )
        recommender.close()
        recommender = Recommender.load(bundle, overlay=tmp_path / "state")


def test_an_overlay_from_another_encoder_is_read_again(bundle, tmp_path):
    first = Recommender.load(bundle, overlay=tmp_path / "state")
    first.upsert([Item(id="new", title="grey rug")])
    first.close()
    words = ("rug", "grey", "red", "green", "blue", "cup", "lamp", "chair")
    other = make_bundle(tmp_path / "other", words=words)
    again = Recommender.load(other, overlay=tmp_path / "state")
    read, vectors = again.encode(["grey rug"]), np.load(other / "vectors.npy")
    assert not np.allclose(read[0], text_vector("grey rug"))
    vector = settled(read, vectors, np.load(other / "popularity.npy") > 0, NEWCOMER_LENGTH)[0]
    assert again.similar("new", k=1)[0].score == pytest.approx(float((vectors @ vector).max()), abs=1e-5)


def test_readers_and_a_writer_at_the_same_time(bundle):
    recommender = Recommender.load(bundle)
    failures, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            answer = recommender.recommend(["i0"], k=5, where={"categories": "all"})
            if len(answer) != 5:
                failures.append(answer)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(60):
        recommender.upsert([Item(id=f"n{number % 7}", title="red cup", categories=("all",))])
        recommender.remove([f"n{(number + 3) % 7}"])
    stop.set()
    for reader in readers:
        reader.join()
    assert not failures


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda r: r.recommend("i0,i1"), TypeError, "i0,i1"),
        (lambda r: r.recommend([1]), TypeError, "1"),
        (lambda r: r.recommend(["i0"], k=0), ValueError, "0"),
        (lambda r: r.recommend(["i0"], diversity=1.5), ValueError, "1.5"),
        (lambda r: r.recommend(query="  "), ValueError, "query is empty"),
        (lambda r: r.recommend(where={"size": "L"}), ValueError, "'size'"),
        (lambda r: r.recommend(where={"price": {"from": 1}}), ValueError, "'price'"),
        (lambda r: r.similar("nothing"), ValueError, "'nothing'"),
        (lambda r: r.score(["i0"], ["i1", "gone"]), ValueError, "'gone'"),
        (lambda r: r.upsert([Item(id="", title="x")]), ValueError, "id"),
        (lambda r: r.upsert([Item(id="a", title="x"), Item(id="a", title="y")]), ValueError, "'a'"),
        (lambda r: r.upsert([{"id": "a"}]), TypeError, "dict"),
        (lambda r: r.encode("red"), TypeError, "'red'"),
    ],
)
def test_wrong_arguments_are_named(bundle, call, error, words):
    with pytest.raises(error) as caught:
        call(Recommender.load(bundle))
    assert words in str(caught.value)


def test_scores_are_those_that_recommend_ranks_by(bundle):
    recommender = Recommender.load(bundle)
    answer = recommender.recommend(["i3", "i4"], query="grey", k=6)
    scores = recommender.score(["i3", "i4"], [line.id for line in answer], query="grey")
    assert scores == pytest.approx([line.score for line in answer], abs=1e-5)


def test_a_session_grows(bundle):
    recommender = Recommender.load(bundle)
    session = recommender.session(["i0"])
    session.observe("i5")
    assert session.history == ("i0", "i5")
    assert [line.id for line in session.recommend(k=3)] == recommender.rank(["i0", "i5"], k=3)


def test_reasons_name_what_the_person_did(bundle):
    reasons = {line.id: line.reasons for line in Recommender.load(bundle).recommend(["i9", "i4"], k=16, explain=True)}
    (together,) = [reason for reason in reasons["i5"] if reason.kind == "bought_together"]
    assert together.item_id == "i4"
    assert {reason.kind for reason in Recommender.load(bundle).recommend([], k=1, explain=True)[0].reasons} == {
        "popular"
    }


def test_nothing_known_of_the_person_gives_the_most_popular(bundle):
    assert Recommender.load(bundle).rank([], k=3) == ["i0", "i1", "i2"]


def test_the_runtime_imports_nothing_heavy(bundle):
    program = (
        "import sys; from pocketrec import Recommender; "
        f"Recommender.load({str(bundle)!r}).recommend(['i0']); "
        "print(sorted({'torch', 'transformers', 'pandas', 'polars', 'scipy', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "[]"
