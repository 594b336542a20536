import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import dataset_of, rows_of, two_worlds
from sklearn.feature_extraction.text import TfidfVectorizer

from pocketrec_training.evaluate.baselines import fit_baselines
from pocketrec_training.evaluate.baselines.baseline import history_matrix
from pocketrec_training.evaluate.baselines.bm25 import Bm25
from pocketrec_training.evaluate.baselines.ease import MAX_ITEMS, Ease
from pocketrec_training.evaluate.baselines.frozen_text import FrozenText
from pocketrec_training.evaluate.baselines.item_knn import ItemKnn
from pocketrec_training.evaluate.baselines.markov import Markov
from pocketrec_training.evaluate.baselines.matrix_factorisation import MatrixFactorisation
from pocketrec_training.evaluate.baselines.popularity import Popularity
from pocketrec_training.evaluate.baselines.tf_idf import TfIdf
from pocketrec_training.evaluate.splits import leave_last_out

NAMES = ("popularity", "item-knn", "ease", "markov", "tf-idf", "frozen-text", "matrix-factorisation")
ITEMS = 20


@pytest.fixture(scope="module")
def fitted():
    split = leave_last_out(dataset_of([rows.tolist() for rows in two_worlds(users=200)], ITEMS))
    texts = [f"world{row // 10} item{row}" for row in range(ITEMS)]
    vectors = np.zeros((ITEMS, 3), np.float32)
    vectors[np.arange(ITEMS), np.arange(ITEMS) // 10] = 1
    return split, dict(fit_baselines(split, texts, vectors, seed=0))


def test_all_baselines_come_by_name(fitted):
    assert tuple(fitted[1]) == NAMES


def test_without_vectors_there_is_no_frozen_text():
    split = leave_last_out(dataset_of([[0, 1, 2], [1, 2, 0]], 3))
    assert "frozen-text" not in dict(fit_baselines(split, ["a", "b", "c"]))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=8), min_size=1, max_size=4),
    st.integers(1, ITEMS + 2),
)
def test_rankings_hold_all_k_unseen_items_once(fitted, name, histories, k):
    rows = [rows_of(*history) for history in histories]
    ranked = fitted[1][name].rank(rows, k)
    for line, history in zip(ranked, histories, strict=True):
        real = line[line >= 0].tolist()
        assert len(real) == len(set(real)) == min(k, ITEMS - len(set(history)))
        assert not set(real) & set(history)
        assert (line[len(real) :] == -1).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_case_scores_the_same_alone_and_among_others(fitted, name):
    split, rankers = fitted
    together = rankers[name].score(split.test.histories)
    alone = [rankers[name].score([history])[0] for history in split.test.histories]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", NAMES[1:])
def test_users_of_one_world_get_items_of_that_world(fitted, name):
    split, rankers = fitted
    ranked = rankers[name].rank(split.test.histories, 3)
    worlds = np.array([history[-1] // 10 for history in split.test.histories])
    assert np.mean(ranked // 10 == worlds[:, None]) > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_seen_items_may_come_back_when_allowed(fitted, name):
    ranked = fitted[1][name].rank([rows_of(0, 1, 2)], ITEMS, allow_seen=True)[0]
    assert sorted(ranked.tolist()) == list(range(ITEMS))


def test_popularity_counts():
    ranker = Popularity.fit([rows_of(2, 2, 1), rows_of(2)], 4)
    assert ranker.rank([rows_of()], 4).tolist() == [[2, 1, 0, 3]]


def test_item_knn_similarity_is_the_shrunk_cosine():
    users = [rows_of(0, 1), rows_of(0, 1), rows_of(0, 2), rows_of(1)]
    found = ItemKnn.fit(users, 3, neighbours=2, shrinkage=2.0).similarities.toarray()
    assert found[0, 1] == pytest.approx(2 / (3 + 2))
    assert found[0, 2] == pytest.approx(1 / (np.sqrt(3) + 2))
    assert np.diag(found).tolist() == [0, 0, 0]


def test_item_knn_keeps_only_the_nearest_and_the_same_in_blocks(monkeypatch):
    users = two_worlds(users=60, items=30)
    whole = ItemKnn.fit(users, 30, neighbours=4).similarities
    assert np.diff(whole.indptr).max() == 4
    monkeypatch.setattr("pocketrec_training.evaluate.baselines.item_knn._BLOCK", 7)
    np.testing.assert_array_equal(ItemKnn.fit(users, 30, neighbours=4).similarities.toarray(), whole.toarray())


def test_ease_solves_the_papers_problem():
    users, penalty = two_worlds(users=60), 3.0
    weights = Ease.fit(users, ITEMS, penalty).weights.astype(np.float64)
    taken = history_matrix(users, ITEMS).toarray().astype(np.float64)
    assert np.abs(np.diag(weights)).max() == 0
    gradient = taken.T @ (taken @ weights - taken) + penalty * weights
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 1e-3


def test_ease_refuses_what_it_cannot_invert():
    with pytest.raises(ValueError, match=f"more than {MAX_ITEMS}"):
        Ease.fit([rows_of(0)], MAX_ITEMS + 1)


def test_markov_follows_the_last_item_and_then_popularity():
    ranker = Markov.fit([rows_of(0, 3), rows_of(0, 3), rows_of(0, 1), rows_of(2, 2, 2, 4)], 5)
    assert ranker.rank([rows_of(4, 0)], 3).tolist() == [[3, 1, 2]]


def test_tf_idf_vectors_agree_with_scikit_learn():
    texts = ["Blue teapot, blue!", "white teapot", "", "lantern of white metal"]
    reader = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")
    theirs, fitted = reader.fit_transform(texts), TfIdf.fit(texts, np.zeros(4, np.int64))
    ours = fitted.words
    np.testing.assert_allclose((ours @ ours.T).toarray(), (theirs @ theirs.T).toarray(), atol=1e-6)
    asked = ["a white teapot", "metal of blue metal"]
    expected = np.argsort(-(reader.transform(asked) @ theirs.T).toarray(), axis=1, kind="stable")
    np.testing.assert_array_equal(fitted.search(asked, 2), expected[:, :2])


def test_bm25_is_the_written_out_sum():
    texts = ["blue teapot blue", "white teapot", "lantern of white metal with a blue glass", ""]
    words = [text.split() for text in texts]
    mean = np.mean([len(line) for line in words])

    def score(query, item, k1=0.9, b=0.4):
        total = 0.0
        for word in query.split():
            having = sum(word in line for line in words)
            often = item.count(word)
            rarity = np.log(1 + (4 - having + 0.5) / (having + 0.5))
            total += rarity * often * (k1 + 1) / (often + k1 * (1 - b + b * len(item) / mean))
        return total

    asked = ["blue teapot", "white metal white", "glass"]
    fitted = Bm25.fit(texts)
    found = (fitted.vocabulary.counts(asked) @ fitted.weights.T).toarray()
    np.testing.assert_allclose(found, [[score(query, line) for line in words] for query in asked], rtol=1e-5)
    assert fitted.search(asked, 1)[:, 0].tolist() == [0, 2, 2]
    assert fitted.search(["klingon"], 4).tolist() == [[0, 1, 2, 3]]


def test_tf_idf_and_frozen_text_read_the_newest_items_alone():
    texts = ["tea", "tea", "lamp", "lamp"]
    popularity = np.zeros(4, np.int64)
    assert TfIdf.fit(texts, popularity, newest=1).rank([rows_of(0, 2)], 1).tolist() == [[3]]
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert FrozenText.fit(vectors, popularity, newest=1).rank([rows_of(0, 2)], 1).tolist() == [[3]]


def test_cold_items_are_reached_by_text_and_by_no_interaction():
    texts = ["tea", "lamp", "tea", "lamp"]  # items 2 and 3 are in no history
    users = [rows_of(0, 1), rows_of(1, 0)]
    assert TfIdf.fit(texts, np.array([2, 2, 0, 0])).rank([rows_of(0)], 1).tolist() == [[2]]
    assert ItemKnn.fit(users, 4).rank([rows_of(0)], 1).tolist() == [[1]]


def test_matrix_factorisation_is_the_same_for_one_seed():
    users = two_worlds()
    first, second = (MatrixFactorisation.fit(users, ITEMS, size=4, seed=7).rank(users, 5) for _ in range(2))
    np.testing.assert_array_equal(first, second)
