"""The encoder learns to vote: the loss by its equation, and a language that only behaviour can teach."""

import msgspec
import numpy as np
import pytest
import torch
from toys import COLOURS, THINGS

from pocketrec.items import Item
from pocketrec.likeness import centred
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.text_vectors import encode_texts
from pocketrec_training.encoder.reading import EncoderConfig, Reading
from pocketrec_training.encoder.vote_tuning import _Lessons, tune_by_votes
from pocketrec_training.losses.votes import vote_loss
from pocketrec_training.newcomers.length import playing_newcomers
from pocketrec_training.newcomers.votes import votes_by_text


def batch(seed=0, items=7, histories=3):
    torch.manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(items, 4, dtype=torch.float64), dim=1)
    shown = torch.zeros(histories, items, dtype=torch.bool)
    for line in range(histories):
        shown[line, torch.randperm(items)[:3]] = True
    taken = shown | (torch.rand(histories, items) < 0.2)
    return vectors, shown, taken, torch.rand(items, dtype=torch.float64).log()


def by_hand(vectors, shown, taken, log_expected):
    """The equation, one case after the other."""
    losses = []
    for history in range(len(shown)):
        have = shown[history].nonzero()[:, 0].tolist()
        for target in have:
            voters = [item for item in have if item != target]

            def votes(item, voters=voters):
                return sum(max(float(vectors[voter] @ vectors[item]), 0.0) ** 3 for voter in voters)

            right = np.exp(5 * votes(target))
            others = [item for item in range(len(vectors)) if not taken[history, item]]
            wrong = sum(np.exp(5 * votes(item) - float(log_expected[item])) for item in others)
            losses.append(-np.log(right / (right + wrong)))
    return losses


def test_the_loss_is_that_of_its_equation():
    case = batch()
    expected = by_hand(*case)
    everything = vote_loss(*case, slice(0, len(expected)))
    assert float(everything) == pytest.approx(sum(expected))
    parts = vote_loss(*case, slice(0, 4)) + vote_loss(*case, slice(4, len(expected)))
    assert float(parts) == pytest.approx(sum(expected))
    assert float(vote_loss(*case, slice(4, 4))) == 0  # more processes than cases


def test_the_gradient_is_that_of_brute_force():
    vectors, *rest = batch(seed=1)
    vectors.requires_grad_()
    vote_loss(vectors, *rest, slice(0, 9)).backward()
    step = 1e-6
    for place in ((0, 0), (3, 2), (6, 1)):
        moved = [vectors.detach().clone() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        more, less = (sum(by_hand(values, *rest)) for values in moved)
        assert float(vectors.grad[place]) == pytest.approx((more - less) / (2 * step), abs=1e-4)


MOODS = np.repeat(np.arange(4), 16)
"""Of each item: two things of every mood, in two sizes and four colours each."""


@pytest.fixture(scope="module")
def moods():
    """Cups go with lamps, chairs with clocks: no word says so, behaviour does."""
    random = np.random.default_rng(0)
    titles = [f"{size} {colour} {thing}" for thing in THINGS[:8] for size in ("small", "large") for colour in COLOURS]
    items = [Item(id=title, title=title) for title in titles]
    histories = [random.permutation(np.flatnonzero(user % 4 == MOODS))[:8].astype(np.int32) for user in range(200)]
    return items, histories


def open_reading(folder, items, **changes):
    config = EncoderConfig(tune="all", max_tokens=16, **{"texts": 64, "rate": 3e-3} | changes)
    return Reading.open(TextModel.open(folder), folder, items, TextTemplate(), config, np.random.default_rng(0))


def test_what_goes_together_is_found_by_text_alone_afterwards(moods, toy_encoder):
    items, histories = moods
    popularity = np.bincount(np.concatenate(histories), minlength=len(items))
    reading = open_reading(toy_encoder, items)
    before = tune_by_votes(reading, histories, popularity, False, 1, 1, 0, None)
    reading = open_reading(toy_encoder, items)
    after = tune_by_votes(reading, histories, popularity, False, 3, 40, 0, None)
    assert after > before + 0.1
    model = reading.reader.finished()
    vectors = encode_texts([item.title for item in items], model, toy_encoder, 16, "Reading")
    new = playing_newcomers(popularity > 0, 0)
    alike = centred(vectors)
    votes = votes_by_text(alike @ alike[new].T, new, 1.0)
    same = (MOODS[:, None] == MOODS[new]) & ~new[:, None]
    other = ~same & ~new[:, None]
    assert votes[same].mean() > 2 * votes[other].mean()


def test_items_that_play_newcomers_are_never_learnt_from(moods):
    items, histories = moods
    popularity = np.bincount(np.concatenate(histories), minlength=len(items))
    playing = playing_newcomers(popularity > 0, 0)
    lessons, random = _Lessons.of(histories, popularity, playing, ordered=False), np.random.default_rng(0)
    for _ in range(50):
        drawn, shown, taken = lessons.draw(64, random)
        assert not playing[drawn.numpy()].any()
        assert (shown.sum(dim=1) >= 2).all()
        assert (taken | ~shown).all()
        assert len(drawn) <= 64


def test_what_stands_together_is_shown_together_where_order_says_something():
    histories = [np.arange(40, dtype=np.int32)]
    lessons = _Lessons.of(histories, np.ones(40, np.int64), np.zeros(40, np.bool_), ordered=True)
    for seed in range(20):
        drawn, _, _ = lessons.draw(16, np.random.default_rng(seed))
        assert np.array_equal(np.diff(drawn.numpy()), np.ones(len(drawn) - 1))


def test_with_nothing_to_learn_from_the_encoder_stays_as_it_came(toy_encoder, moods):
    items, _ = moods
    alone = [np.array([place], np.int32) for place in range(4)]
    reading = open_reading(toy_encoder, items)
    tune_by_votes(reading, alone, np.bincount(np.arange(4), minlength=len(items)), True, 2, 3, 0, None)
    frozen = TextModel.open(toy_encoder).state_dict()
    tuned = reading.reader.finished().state_dict()
    assert all(torch.equal(tuned[name], frozen[name]) for name in frozen)


def test_each_way_to_tune_has_a_rate_of_its_own_unless_one_is_given():
    rates = {tune: EncoderConfig(tune=tune).peak_rate for tune in ("all", "top:3", "lora")}
    assert rates == {"all": 5e-5, "top:3": 1e-4, "lora": 5e-4}
    assert msgspec.structs.replace(EncoderConfig(tune="lora"), rate=1e-3).peak_rate == 1e-3
