"""The breadth of the search suits every kind of request, not the easiest."""

import hnswlib
import numpy as np
from fakes import random_vectors

from pocketrec_export.index_builder import IndexConfig, build_index

CONFIG = IndexConfig(m=6, ef_construction=40, recall=0.9)
COUNT = 10


def recall_of(index, vectors, users):
    exact = np.argsort(-(users @ vectors.T), axis=1)[:, :COUNT]
    found = [index.knn_query(user, k=COUNT)[0][0] for user in users]
    return np.mean([len(set(a.tolist()) & set(b.tolist())) for a, b in zip(found, exact, strict=True)]) / COUNT


def test_the_hardest_kind_of_user_vectors_sets_the_breadth(tmp_path):
    vectors = random_vectors(3000, 0, dim=16)
    vectors[:2500] = vectors[:2500] * 0.3 + vectors[0]  # most items lie in one corner
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    easy, hard = vectors[:100], -vectors[:100]  # one kind asks there, the other on the far side
    alone = build_index(vectors, [easy], COUNT, CONFIG, tmp_path / "a.hnsw")
    both = build_index(vectors, [easy, hard], COUNT, CONFIG, tmp_path / "b.hnsw")
    assert both.ef >= alone.ef
    index = hnswlib.Index(space="ip", dim=16)
    index.load_index(str(tmp_path / "b.hnsw"))
    index.set_ef(both.ef)
    reached = [recall_of(index, vectors, kind) for kind in (easy, hard)]
    assert min(reached) >= CONFIG.recall
    assert abs(both.recall - min(reached)) < 1e-3
    index.set_ef(alone.ef)
    assert recall_of(index, vectors, hard) < CONFIG.recall  # or the test would show nothing
