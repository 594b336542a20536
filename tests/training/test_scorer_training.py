"""The scorer learns whom to trust, from histories first, and what a query adds in weights of its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import neighbours_of, random_vectors, ring
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pocketrec.features import FEATURES, KINDS
from pocketrec.index import VectorIndex
from pocketrec_export.graphs.scorer import ScorerConfig
from pocketrec_training.scorer.candidate_lists import Cases, Lists, Retriever
from pocketrec_training.scorer.training import ScorerTrainingConfig, _fresh, _Run, train_scorer

ITEMS, USERS = 60, 120
CONFIG = ScorerTrainingConfig(batch=32)
VECTORS = random_vectors(ITEMS, 0)


def retriever(neighbours, followers):
    return Retriever(
        vectors=VECTORS,
        popularity=np.ones(ITEMS, np.int32),
        trend=np.zeros(ITEMS, np.float32),
        neighbours=neighbours,
        followers=followers,
        index=VectorIndex.exact_only(VECTORS),
        history=5,
        count=20,
    )


def users(seed):
    """User vectors that say nothing, and histories of three items."""
    random = np.random.default_rng(seed)
    return random_vectors(USERS, seed), [random.permutation(ITEMS)[:3].astype(np.int32) for _ in range(USERS)]


SILENT = neighbours_of(np.zeros((ITEMS, ITEMS)))


@pytest.mark.parametrize("kind", ["mlp", "bilinear"])
@pytest.mark.parametrize("source", ["neighbours", "followers"])
def test_the_source_that_knows_is_trusted(kind, source):
    vectors, histories = users(1)
    targets = [(rows[-1:] + 1) % ITEMS for rows in histories]  # what the newest item votes for
    tables = {"neighbours": SILENT, "followers": SILENT, source: ring(ITEMS)}
    cases = [(retriever(**tables), Cases(vectors, histories, targets))]
    trained = train_scorer(cases, ScorerConfig(kind=kind), CONFIG, seed=0)
    assert trained.ndcg > 0.95
    weights = trained.scorer.features.linear.weight.abs()[0]
    assert weights.argmax() in (FEATURES.index(source), FEATURES.index(f"last_{source}"))


def test_queries_leave_what_histories_taught_as_it_is():
    vectors, histories = users(1)
    targets = [(rows[-1:] + 1) % ITEMS for rows in histories]
    plain = Cases(vectors, histories, targets)
    other = [np.array([(7 * i) % ITEMS], np.int32) for i in range(USERS)]
    asked = Cases(vectors, histories, other, queries=VECTORS[np.concatenate(other)])
    source = retriever(ring(ITEMS), SILENT)
    both = train_scorer([(source, plain), (source, asked)], ScorerConfig(), CONFIG, seed=0)
    assert both.ndcg > 0.95

    def best(cases):
        """Whether the target comes first, for each case whose target was found."""
        hits = []
        with torch.inference_mode():
            for user, (rows, table), target in zip(cases.users, source.lists(cases), cases.targets, strict=True):
                if target[0] in rows:
                    inputs = (torch.from_numpy(array)[None] for array in (user, source.vectors[rows], table))
                    hits.append(rows[both.scorer(*inputs)[0].argmax()] == target[0])
        return np.mean(hits)

    assert best(plain) > 0.95
    assert best(asked) > 0.8
    added = both.scorer.features.added.weight.abs()[KINDS.index("query_given")]
    assert added.argmax() == FEATURES.index("query_similarity")


def test_queries_alone_teach_what_they_add_to_the_tower():
    vectors, _ = users(1)
    wanted = [np.array([(7 * i) % ITEMS], np.int32) for i in range(USERS)]
    nothing = [np.zeros(0, np.int32)] * USERS
    asked = Cases(vectors, nothing, wanted, queries=VECTORS[np.concatenate(wanted)])
    source = retriever(SILENT, SILENT)
    trained = train_scorer([(source, asked)], ScorerConfig(), CONFIG, seed=0)
    found = np.mean([target[0] in rows for (rows, _), target in zip(source.lists(asked), wanted, strict=True)])
    assert trained.ndcg > 0.8 * found  # user vectors say nothing, so many targets are no candidates
    features = trained.scorer.features
    assert features.linear.weight[0].nonzero()[:, 0].tolist() == [FEATURES.index("tower")]
    added = features.added.weight[KINDS.index("query_given")]
    assert added.argmax() == FEATURES.index("query_similarity")


def test_where_nothing_comes_twice_the_history_sinks_only_if_it_may_come():
    """What came before has more votes than what comes next; alone its likeness to the history tells it."""
    vectors, starts = users(1)
    again = [np.array([rows[0], (rows[0] + 1) % ITEMS], np.int32) for rows in starts]
    targets = [(rows[-1:] + 1) % ITEMS for rows in again]
    votes = np.zeros((ITEMS, ITEMS))
    for step, weight in ((-1, 0.6), (1, 0.3)):
        votes[np.arange(ITEMS), (np.arange(ITEMS) + step) % ITEMS] = weight
    source = retriever(neighbours_of(votes), SILENT)
    free = Cases(vectors, again, targets, allow_seen=True)
    plain = Cases(vectors, again, targets)
    trained = train_scorer([(source, plain), (source, free)], ScorerConfig(), CONFIG, seed=0)

    def share_of_histories(told):
        """How often the best candidate is of the history, with the scorer told or not that it may be."""
        hits = []
        with torch.inference_mode():
            for user, (rows, table), history in zip(vectors, source.lists(free), again, strict=True):
                table[:, FEATURES.index("seen_allowed")] = told
                inputs = (torch.from_numpy(array)[None] for array in (user, source.vectors[rows], table))
                hits.append(rows[trained.scorer(*inputs)[0].argmax()] in history)
        return np.mean(hits)

    assert share_of_histories(told=False) > 0.5
    assert share_of_histories(told=True) < 0.25
    added = trained.scorer.features.added.weight.abs().sum(dim=1)
    assert added[KINDS.index("seen_allowed")] > 0
    assert added[KINDS.index("query_given")] == 0


def test_a_source_that_ranks_better_than_what_was_learnt_is_trusted_alone():
    vectors, histories = users(1)
    targets = [(rows[-1:] + 1) % ITEMS for rows in histories]
    wild = ScorerTrainingConfig(batch=32, epochs=2, rate=100.0)
    source = retriever(ring(ITEMS), SILENT)
    trained = train_scorer([(source, Cases(vectors, histories, targets))], ScorerConfig(), wild, seed=0)
    assert trained.ndcg > 0.95
    (trusted,) = trained.scorer.features.linear.weight[0].nonzero()[:, 0]
    assert FEATURES[trusted] == "neighbours"
    assert not trained.scorer.out.weight.any()


def test_a_source_that_says_nothing_is_never_trusted():
    """All its candidates are equal; the target isn't ahead of them for that."""
    vectors, histories = users(1)
    targets = [(rows[-1:] + 1) % ITEMS for rows in histories]
    told = np.stack([VECTORS[target[0]] for target in targets]) + 0.5 * vectors  # the tower knows a little
    cases = Cases((told / np.linalg.norm(told, axis=1, keepdims=True)).astype(np.float32), histories, targets)
    wild = ScorerTrainingConfig(batch=32, epochs=2, rate=100.0)
    trained = train_scorer([(retriever(SILENT, SILENT), cases)], ScorerConfig(), wild, seed=0)
    (trusted,) = trained.scorer.features.linear.weight[0].nonzero()[:, 0]
    assert FEATURES[trusted] == "tower"


@given(
    scores=arrays(np.float32, (3, 14), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    sizes=st.tuples(*[st.integers(1, 14)] * 3),
    data=st.data(),
)
def test_what_a_ranking_is_worth_is_the_mean_over_orders_of_equals(scores, sizes, data):
    targets = [data.draw(st.integers(0, size - 1)) for size in sizes]
    lists = lists_of(np.arange(14)[None] < np.array(sizes)[:, None], targets)
    found = lists.gains_of(torch.from_numpy(scores), torch.arange(3))
    for line, size, target, gain in zip(scores, sizes, targets, found.tolist(), strict=True):
        own, rest = line[target], np.delete(line[:size], target)
        ahead, equal = int((rest > own).sum()), int((rest == own).sum())
        places = range(ahead, ahead + equal + 1)  # each as likely
        assert gain == pytest.approx(
            np.mean([1 / np.log2(place + 2) if place < 10 else 0 for place in places]), abs=1e-6
        )


def lists_of(real, targets):
    empty = torch.zeros(len(targets), dtype=torch.long)
    return Lists(
        vectors=torch.zeros(1, 4),
        users=torch.zeros(len(targets), 4),
        rows=torch.zeros(real.shape, dtype=torch.long),
        features=torch.zeros(*real.shape, len(FEATURES)),
        real=torch.from_numpy(real),
        target=torch.tensor(targets),
        group=empty,
        case=empty,
    )


def test_with_too_few_users_the_tower_decides():
    vectors, histories = users(1)
    few = Cases(vectors[:20], histories[:20], [rows[:1] for rows in histories[:20]])
    trained = train_scorer([(retriever(SILENT, SILENT), few)], ScorerConfig(), CONFIG, seed=0)
    assert trained.ndcg is None
    user, candidates = torch.from_numpy(vectors[:1]), torch.from_numpy(VECTORS[None])
    features = torch.zeros(1, ITEMS, len(FEATURES))
    features[:, :, FEATURES.index("tower")] = (candidates @ user[0])[:, :]
    assert trained.scorer(user, candidates, features).argsort().equal(features[:, :, 0].argsort())


@pytest.mark.parametrize("source", ["neighbours", "followers"])
def test_with_too_few_users_the_source_that_ranks_them_best_decides(source):
    vectors, histories = users(1)
    targets = [(rows[-1:] + 1) % ITEMS for rows in histories[:20]]
    tables = {"neighbours": SILENT, "followers": SILENT, source: ring(ITEMS)}
    cases = [(retriever(**tables), Cases(vectors[:20], histories[:20], targets))]
    trained = train_scorer(cases, ScorerConfig(), CONFIG, seed=0)
    assert trained.ndcg is None
    (trusted,) = trained.scorer.features.linear.weight[0].nonzero()[:, 0]
    assert FEATURES[trusted] == source


def test_a_seed_fixes_the_scorer():
    vectors, histories = users(1)
    cases = Cases(vectors, histories, [(rows[-1:] + 1) % ITEMS for rows in histories])
    asked = [(retriever(ring(ITEMS), SILENT), cases)]
    first, again = (train_scorer(asked, ScorerConfig(), CONFIG, 3) for _ in range(2))
    for left, right in zip(first.scorer.parameters(), again.scorer.parameters(), strict=True):
        assert left.equal(right)


def test_newcomers_who_crowd_out_what_is_wanted_are_met_with_reserve():
    """Everybody votes more for what nobody took than for what comes next: the votes are right but for that."""
    vectors, histories = users(1)
    crowd = np.arange(ITEMS) % 6 == 0
    targets = [(rows[-1:] + 1) % ITEMS for rows in histories]
    kept = [case for case, rows in enumerate(targets) if not crowd[rows].any()]
    votes = np.zeros((ITEMS, ITEMS))
    votes[np.arange(ITEMS), (np.arange(ITEMS) + 1) % ITEMS] = 1.0
    votes[:, crowd] = np.random.default_rng(0).uniform(1.0, 1.3, (ITEMS, crowd.sum()))
    source = replace(retriever(neighbours_of(votes), SILENT), popularity=np.where(crowd, 0, 1).astype(np.int32))
    cases = Cases(vectors[kept], [histories[case] for case in kept], [targets[case] for case in kept])
    wild = ScorerTrainingConfig(batch=32, epochs=2, rate=100.0)  # so that a source alone is better than what it learns
    trained = train_scorer([(source, cases)], ScorerConfig(), wild, seed=0)
    assert trained.ndcg > 0.6
    weights = trained.scorer.features.linear.weight[0]
    assert weights[FEATURES.index("neighbours")] == 1
    assert weights[FEATURES.index("cold")] < 0
    first = []
    with torch.inference_mode():
        for user, (rows, table) in zip(cases.users, source.lists(cases), strict=True):
            inputs = (torch.from_numpy(array)[None] for array in (user, VECTORS[rows], table))
            first.append(crowd[rows[trained.scorer(*inputs)[0].argmax()]])
    assert np.mean(first) < 0.1  # but for those who had all that they vote for


def test_what_else_was_right_is_no_negative():
    vectors, histories = users(3)
    source = retriever(ring(ITEMS), SILENT)
    one = [(rows[-1:] + 1) % ITEMS for rows in histories]
    more = [np.concatenate([rows, (rows + 1) % ITEMS, (rows + 2) % ITEMS]) for rows in one]
    alone, beside = (Lists.of([(source, Cases(vectors, histories, targets))]) for targets in (one, more))
    assert torch.equal(alone.target, beside.target)
    lines = torch.arange(len(beside))
    assert beside.real[lines, beside.target].all()
    for line in range(len(beside)):
        case = int(beside.case[line])
        left_out = beside.rows[line][alone.real[line] & ~beside.real[line]]
        assert set(left_out.tolist()) == set(more[case][1:]) & set(alone.rows[line][alone.real[line]].tolist())
    assert (alone.real & ~beside.real).any()


@pytest.mark.parametrize("kind", ["mlp", "bilinear"])
def test_what_counts_is_the_mean_of_the_newest_steps(kind):
    vectors, histories = users(1)
    targets = [(rows[-1:] + 1) % ITEMS for rows in histories]
    lists = Lists.of([(retriever(ring(ITEMS), SILENT), Cases(vectors, histories, targets))])
    run = _Run(_fresh(VECTORS.shape[1], ScorerConfig(kind=kind), 0), lists, CONFIG, 0)
    seen = []

    def note(*_):
        seen.append([weight.detach().clone() for weight in run.learner.parameters()])

    run.optimiser.register_step_post_hook(note)
    run.one_epoch(torch.arange(len(lists)), 0)
    assert 2 < len(seen) < 50  # so few that all count alike
    for mean, *steps in zip(run.scorer.parameters(), *seen, strict=True):
        torch.testing.assert_close(mean, torch.stack(steps).mean(dim=0))
    for epoch in range(1, 100):
        run.one_epoch(torch.arange(len(lists)), epoch)
    newest = [torch.stack(steps[-250:]) for steps in zip(*seen, strict=True)]
    for mean, steps in zip(run.scorer.parameters(), newest, strict=True):  # the first steps are forgotten
        assert ((mean >= steps.amin(dim=0) - 1e-2) & (mean <= steps.amax(dim=0) + 1e-2)).all()
