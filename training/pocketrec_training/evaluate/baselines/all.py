"""All baselines, fitted one after the other as they are asked for, so that one is in memory at a time."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pocketrec_training.evaluate.baselines.bm25 import Bm25
from pocketrec_training.evaluate.baselines.ease import MAX_ITEMS, Ease
from pocketrec_training.evaluate.baselines.frozen_text import FrozenSearch, FrozenText
from pocketrec_training.evaluate.baselines.item_knn import ItemKnn
from pocketrec_training.evaluate.baselines.markov import Markov
from pocketrec_training.evaluate.baselines.matrix_factorisation import MatrixFactorisation
from pocketrec_training.evaluate.baselines.popularity import Popularity
from pocketrec_training.evaluate.baselines.tf_idf import TfIdf
from pocketrec_training.evaluate.ranker import Ranker, Searcher
from pocketrec_training.evaluate.splits import Split


def fit_baselines(
    split: Split,
    texts: Sequence[str],
    vectors: NDArray[np.float32] | None = None,
    seed: int = 0,
    recent: NDArray[np.float32] | None = None,
) -> Iterator[tuple[str, Ranker]]:
    """Fit every baseline on all that models may learn from; they choose nothing, so they need no validation.

    Args:
        split: Its `before_test` is read, nothing else.
        texts: Text of each item.
        vectors: Unit vectors of the texts from a pretrained encoder; without them there is no `frozen-text`.
        seed: Of matrix factorisation, the only one that starts at random.
        recent: Popularity of late, where that ranks validation users better (`pocketrec_training.trends`); without it
            there is no `recent-popularity`.

    Yields:
        Names and rankers. EASE is left out where the catalogue is beyond its `MAX_ITEMS`.
    """
    split, items = split.final(), len(texts)
    popularity = split.popularity(items)
    yield "popularity", Popularity.fit(split.fit, items)
    if recent is not None:
        yield "recent-popularity", Popularity(items, recent)
    yield "item-knn", ItemKnn.fit(split.fit, items)
    if items <= MAX_ITEMS:
        yield "ease", Ease.fit(split.fit, items)
    yield "markov", Markov.fit(split.fit, items)
    yield "tf-idf", TfIdf.fit(texts, popularity)
    if vectors is not None:
        yield "frozen-text", FrozenText.fit(vectors, popularity)
    yield "matrix-factorisation", MatrixFactorisation.fit(split.fit, items, seed=seed)


def fit_searchers(
    split: Split, texts: Sequence[str], read: Callable[[Sequence[str]], NDArray[np.float32]]
) -> Iterator[tuple[str, Searcher]]:
    """Fit every baseline that answers queries; none has anything to learn from them.

    Args:
        split: Its `before_test` orders what TF-IDF finds no word in.
        texts: Text of each item.
        read: Gives unit vectors of texts from a pretrained encoder.

    Yields:
        Names and searchers.
    """
    yield "bm25", Bm25.fit(texts)
    yield "tf-idf", TfIdf.fit(texts, split.final().popularity(len(texts)))
    yield "frozen-text", FrozenSearch(read(texts), read)
