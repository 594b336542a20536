"""What was fitted once is opened again, and only for the very same question."""

import numpy as np
import pytest

from pocketrec_training.neighbours import fits as module
from pocketrec_training.neighbours.fits import Fits
from pocketrec_training.neighbours.followers import FollowerConfig
from pocketrec_training.neighbours.text_ease import NeighbourConfig

TEXTS = ["red lamp", "red vase", "blue lamp", "blue vase"]
HISTORIES = [np.array(rows, np.int32) for rows in ([0, 1], [2, 3], [0, 1, 3], [2, 3, 1])]
WAY = NeighbourConfig(regularisation=1.0)
NO_VECTORS = np.zeros((4, 0), np.float32)


@pytest.fixture
def fitted(monkeypatch):
    """Names of what was really fitted."""
    names = []
    for name in ("fit_neighbours", "fit_followers"):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, real=real, name=name: names.append(name) or real(*given))
    return names


def test_a_way_is_fitted_once_on_the_same_histories(tmp_path, fitted):
    first, second = (Fits(TEXTS, NO_VECTORS, 10, tmp_path / "fits") for _ in range(2))
    once, again = first.neighbours(HISTORIES, WAY), second.neighbours(HISTORIES, WAY)
    assert fitted == ["fit_neighbours"]
    assert np.array_equal(once.values, again.values)
    assert np.array_equal(once.rows, again.rows)
    assert np.array_equal(once.values, Fits(TEXTS, NO_VECTORS, 10, None).neighbours(HISTORIES, WAY).values)
    way = FollowerConfig(decay=0.7)
    assert first.followers(HISTORIES, way).decay == second.followers(HISTORIES, way).decay == 0.7
    assert fitted.count("fit_followers") == 1


def test_other_histories_texts_vectors_or_settings_are_another_fit(tmp_path, fitted):
    vectors = np.random.default_rng(0).random((4, 3), np.float32)

    def fit(histories=HISTORIES, texts=TEXTS, vectors=vectors, past=10, way=WAY):
        fits = Fits(texts, vectors, past, tmp_path / "fits")
        return fits.neighbours(histories, way), fits.followers(histories, FollowerConfig())

    fit()
    fit(histories=[*HISTORIES, np.array([3], np.int32)])
    fit(
        histories=[np.array([0], np.int32), np.array([1, 2, 3], np.int32), *HISTORIES[2:]]
    )  # the same rows, cut elsewhere
    fit(texts=["green lamp", *TEXTS[1:]])
    fit(vectors=vectors + 1)
    assert fitted == ["fit_neighbours", "fit_followers"] * 5
    fit(past=5)  # of which followers alone know
    assert fitted[10:] == ["fit_followers"]
    fit(way=NeighbourConfig(regularisation=2.0))
    assert fitted[11:] == ["fit_neighbours"]
    fit()
    assert len(fitted) == 12
