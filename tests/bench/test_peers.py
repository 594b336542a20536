"""The peer learns from what models learn from, for as long as it is given, and is ranked by what it says."""

import time

import numpy as np
import pytest
import rectools_sasrec as sasrec
import sentence_transformers_training as peer
from made_data import dataset_of, rows_of
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import TrainerControl

from pocketrec_export.exchange.writing import write_text_model
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_training.evaluate.baselines.popularity import Popularity
from pocketrec_training.evaluate.splits import make_split

TEXTS = ["red cup", "green lamp", "blue chair", "grey clock", "red spoon"]


@pytest.fixture(scope="module")
def model(toy_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("peer")
    tokenizer = Tokenizer.from_file(str(toy_encoder / "tokenizer.json"))
    write_text_model(folder, TextModel.open(toy_encoder), tokenizer, 60)
    return SentenceTransformer(str(folder))


def test_pairs_are_consecutive_items_of_what_is_learnt_from():
    split = make_split(dataset_of([rows_of(0, 1, 2, 3, 4), rows_of(2, 0)], 5), "leave-last-out")
    assert list(peer.pairs(split.fit, TEXTS, "item")) == [
        ("red cup", "green lamp"),
        ("green lamp", "blue chair"),
        ("blue chair", "red cup"),
    ]
    assert list(peer.pairs(split.fit, TEXTS, "history"))[1] == ("green lamp | red cup", "blue chair")


def test_the_clock_ends_the_training_and_lets_the_rate_rise_and_fall():
    clock, control = peer.Clock(100.0), TrainerControl()
    assert 0 < clock.rate(0) < 0.1, "the first step, before the clock runs"
    rates = []
    for gone in (1, 5, 50, 99, 101):
        clock.begun = time.perf_counter() - gone
        rates.append(clock.rate(0))
        clock.on_step_end(None, None, control)
        assert control.should_training_stop == (gone > 100)
    assert rates == pytest.approx([0.21 * 0.99, 0.95, 0.5, 0.01, 0.0], abs=0.01)


def test_a_history_is_ranked_by_the_vector_of_its_texts(model):
    vectors = peer.encode(model, TEXTS)
    ranker = peer.PastText(model, TEXTS, vectors, len(TEXTS))
    assert ranker.rank([rows_of(3)], 1, allow_seen=True).tolist() == [[3]]
    scores = ranker.score([rows_of(1, 4), rows_of(2)])
    asked = model.encode(["red spoon | green lamp", "blue chair"], normalize_embeddings=True)
    assert np.allclose(scores, asked @ vectors.T, atol=1e-6)


def test_validation_cases_choose_how_many_items_have_a_say(model):
    # After an item of one colour comes another of that colour; what was before the last item says nothing.
    texts = [f"{colour} {thing}" for colour in ("red", "green", "blue", "grey") for thing in ("cup", "lamp", "chair")]
    vectors = peer.encode(model, texts)
    near = np.argsort(-(vectors @ vectors.T), axis=1)[:, 1]
    histories = [rows_of((7 * u + 5) % 12, (5 * u) % 12, u % 12, near[u % 12], u % 12) for u in range(24)]
    ranker, said = peer.best_ranker(model, make_split(dataset_of(histories, 12), "leave-last-out"), texts, "item")
    assert ranker.newest == 1
    assert said.startswith("mean vector of the 1 newest items (validation NDCG@10 ")


class Learner:
    """Finds the targets once it has trained for `needed` epochs, until it has trained too long."""

    def __init__(self, targets, needed, spoilt):
        self.targets, self.epochs, self.needed, self.spoilt, self.ended = targets, 0, needed, spoilt, False

    def train(self, histories, epochs):
        self.epochs += epochs

    def rank(self, histories, k, allow_seen=False, among=None):
        ranked = np.full((len(histories), k), -1, np.int32)
        if self.needed <= self.epochs < self.spoilt:
            ranked[:, 0] = [rows[0] for rows in self.targets]
        return ranked

    def end(self):
        self.ended = True


def test_epochs_of_a_peer_are_chosen_on_validation():
    split = make_split(dataset_of([rows_of(0, 1, 2, 3, 4), rows_of(2, 0, 1, 3)], 5), "leave-last-out")
    learner = Learner(split.validation.targets, needed=5, spoilt=9)
    assert sasrec.best_epochs(learner, split, 60.0, every=2) == (6, 1.0)
    assert learner.epochs == 6 + 2 * sasrec.PATIENCE
    assert learner.ended


def test_what_a_peer_has_no_answer_to_gets_what_is_popular():
    popular = Popularity.fit([rows_of(0, 1, 2), rows_of(1, 2), rows_of(2)], 3)
    silent = Learner([], needed=1, spoilt=1)
    assert sasrec.Backed(silent, popular).rank([rows_of(0), rows_of()], 2).tolist() == [[2, 1], [2, 1]]
