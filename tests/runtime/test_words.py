"""Words that two texts share, rare ones more; by scikit-learn's TF-IDF as a second opinion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from pocketrec.words import WordIndex, words_of

phrases = st.lists(st.sampled_from(["red", "Blue", "rug", "teapot", "7", "naïve"]), max_size=6).map(" ".join)


@given(st.lists(phrases, min_size=1, max_size=8))
def test_cosines_of_its_own_texts_are_scikit_learns(texts):
    index = WordIndex.of([*texts, "always one word"])
    theirs = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+").fit_transform([*texts, "always one word"])
    mine = np.stack([index.cosines(text) for text in texts])
    assert mine == pytest.approx((theirs[: len(texts)] @ theirs.T).toarray(), abs=1e-5)


def test_a_word_that_no_text_has_makes_a_text_less_like_all():
    index = WordIndex.of(["red cup", "red rug", "blue cup"])
    known, longer = index.cosines("red cup"), index.cosines("red cup, dishwasher proof")
    assert known[0] == pytest.approx(1)
    assert longer[0] < 0.7
    assert longer / known == pytest.approx(longer[0] / known[0])
    assert not index.cosines("dishwasher").any()
    assert not index.cosines(" ").any()


def test_without_words_nothing_is_shared():
    assert WordIndex.of(["", "..."]).cosines("red").tolist() == [0, 0]


def test_words_have_no_case_and_no_signs():
    assert words_of("Straße, TEA-pot №7!") == ["strasse", "tea", "pot", "7"]
