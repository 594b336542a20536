import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG
from made_data import rows_of

from pocketrec_training.evaluate.metrics import accuracy, coverage, diversity, gini, novelty

CUTOFFS = (1, 3, 5, 10)


@st.composite
def cases(draw):
    items, count = draw(st.integers(10, 30)), draw(st.integers(1, 6))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    ranked = np.stack([random.permutation(items)[:10] for _ in range(count)]).astype(np.int32)
    for line in ranked:
        line[random.integers(1, 11) :] = -1
    targets = [random.choice(items, random.integers(1, 8), replace=False).astype(np.int32) for _ in range(count)]
    return ranked, targets


@given(cases())
def test_accuracy_agrees_with_ir_measures(case):
    ranked, targets = case
    judged = {str(i): {str(row): 1 for row in rows} for i, rows in enumerate(targets)}
    run = {
        str(i): {str(row): float(-place) for place, row in enumerate(line) if row >= 0} for i, line in enumerate(ranked)
    }
    ours = accuracy(ranked, targets, CUTOFFS)
    theirs = {
        "ndcg": nDCG,
        "recall": R,
        "precision": P,
        "mrr": RR,
        "map": AP,
        "hit": Success,
    }
    for name, measure in theirs.items():
        for k in CUTOFFS:
            expected = {int(m.query_id): m.value for m in ir_measures.iter_calc([measure @ k], judged, run)}
            np.testing.assert_allclose(
                ours[f"{name}@{k}"],
                [expected[i] for i in range(len(targets))],
                atol=1e-9,
                err_msg=f"{name}@{k}",
            )


@given(cases())
def test_f1_is_the_harmonic_mean_of_precision_and_recall(case):
    values = accuracy(*case, CUTOFFS)
    for k in CUTOFFS:
        precision, recall, f1 = (values[f"{name}@{k}"] for name in ("precision", "recall", "f1"))
        np.testing.assert_allclose(f1 * (precision + recall), 2 * precision * recall, atol=1e-12)


def test_golden_values_of_a_worked_case():
    ranked = np.array([[9, 1, 8, 2, 7], [1, 2, 3, -1, -1]], dtype=np.int32)
    targets = [rows_of(1, 2, 3), rows_of(1)]
    values = {key: value.round(6).tolist() for key, value in accuracy(ranked, targets, [5]).items()}
    assert values == {
        "ndcg@5": [0.498189, 1.0],
        "recall@5": [0.666667, 1.0],
        "precision@5": [0.4, 0.2],
        "f1@5": [0.5, 0.333333],
        "mrr@5": [0.5, 1.0],
        "map@5": [0.333333, 1.0],
        "hit@5": [1.0, 1.0],
    }


def test_repeated_targets_count_once():
    once = accuracy(np.array([[4, 5]], dtype=np.int32), [rows_of(4)], [2])
    twice = accuracy(np.array([[4, 5]], dtype=np.int32), [rows_of(4, 4)], [2])
    assert all(once[key] == twice[key] for key in once)


def test_padding_is_never_a_hit_and_a_short_ranking_still_divides_by_k():
    values = accuracy(np.array([[-1, -1]], dtype=np.int32), [rows_of(0)], [2])
    assert all(value == 0 for value in values.values())
    assert accuracy(np.array([[0, -1]], dtype=np.int32), [rows_of(0)], [2])["precision@2"] == 0.5


def test_a_cutoff_beyond_the_ranking_is_refused():
    with pytest.raises(ValueError, match="cutoff 3 is beyond the 2"):
        accuracy(np.zeros((1, 2), np.int32), [rows_of(0)], [3])


@given(cases())
def test_diversity_agrees_with_all_pairs(case):
    ranked, _ = case
    vectors = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for line, value in zip(ranked, diversity(ranked, vectors), strict=True):
        rows = line[line >= 0]
        cosines = [unit[a] @ unit[b] for a in rows for b in rows if a != b]
        assert value == pytest.approx(1 - np.mean(cosines) if cosines else 0.0, abs=1e-5)


@given(cases())
def test_gini_agrees_with_mean_absolute_difference(case):
    ranked, _ = case
    counts = np.bincount(ranked[ranked >= 0], minlength=30)
    expected = np.abs(counts[:, None] - counts[None, :]).sum() / (2 * 30 * counts.sum())
    assert gini(ranked, 30) == pytest.approx(expected)


def test_popular_items_are_less_novel_and_unseen_ones_stay_finite():
    values = novelty(np.array([[0, -1], [1, -1], [2, -1]], dtype=np.int32), np.array([8, 2, 0]), users=8)
    assert values.tolist() == [0.0, 2.0, 3.0]


def test_coverage_counts_distinct_items():
    assert coverage(np.array([[0, 1], [0, -1]], dtype=np.int32), items=8) == 0.25
