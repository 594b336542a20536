"""The loss of a batch: what it teaches, and whom."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pocketrec_export.graphs.user import TowerConfig, UserTower
from pocketrec_export.title_fragments import FRAGMENTS
from pocketrec_training.losses.negatives import Negatives, nearest
from pocketrec_training.processes import Processes
from pocketrec_training.tower.item_table import ItemTable
from pocketrec_training.tower.objective import Objective, ObjectiveConfig
from pocketrec_training.tower.request_texts import RequestVectors
from pocketrec_training.tower.sequences import Batch
from pocketrec_training.tower.unit_rows import unit_rows

ITEMS, DIM = 30, 8
COLD = [0, 7]


@pytest.fixture
def made():
    """Table, tower, requests and a batch in which nobody takes the cold items."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    table = ItemTable(random.standard_normal((ITEMS, 12)).astype(np.float32), DIM)
    tower = UserTower(DIM, TowerConfig(hidden=16, history=6, dropout=0.0))
    warm = [row for row in range(ITEMS) if row not in COLD]
    histories = [random.choice(warm, size, replace=False).astype(np.int32) for size in (3, 5, 6, 2, 4)]
    said = torch.cat([torch.randn(3, 12), torch.zeros(1, 12)])
    requests = RequestVectors(torch.randn(ITEMS, FRAGMENTS, 12), said, torch.randn(2, 12), torch.zeros(0, 12))
    popularity = torch.ones(ITEMS)
    popularity[COLD] = 0
    batch = replace(
        Batch.of(histories),
        contexts=torch.tensor([0, 2, -1, 1, -1]),
        queries=torch.tensor([1, 0]),
        answers=torch.tensor([4, 9]),
    )
    return table, tower, requests, popularity, batch


def loss_of(made, config, processes=None, fresh=None):
    table, tower, requests, popularity, batch = made
    objective = Objective.of(config, popularity, popularity > 0, processes or Processes(0, 1, None))
    near = nearest(table().detach()[objective.known], 4)
    return objective.loss(table, tower, table(), requests, near, batch, np.random.default_rng(3), fresh)


@pytest.mark.parametrize(
    "config",
    [
        ObjectiveConfig(),
        ObjectiveConfig(loss="bpr", sample=9),
        ObjectiveConfig(loss="sampled-softmax", negatives="in-batch"),
        ObjectiveConfig(loss="sampled-softmax", negatives="hard", sample=12),
        ObjectiveConfig(slices=(4, 2)),
    ],
)
def test_the_parts_of_several_processes_add_up_to_the_loss_of_one(made, config):
    whole = loss_of(made, config).item()
    parts = [loss_of(made, config, Processes(rank, 3, None)).item() for rank in range(3)]
    assert sum(parts) == pytest.approx(whole, rel=1e-5)


def test_items_that_nobody_took_are_left_in_peace(made):
    table = made[0]
    loss_of(made, ObjectiveConfig()).backward()
    assert not table.residual.grad[COLD].any()
    assert table.residual.grad[1].any()


def left_out_of(config, targets, drawn, taken, whose):
    """By the objective, of items that stand on the axes but for the last, which is nearly the first."""
    vectors = torch.eye(6)
    vectors[5] = torch.tensor([0.95, 0, 0, 0, 0, (1 - 0.95**2) ** 0.5])
    objective = Objective.of(config, torch.ones(6), torch.ones(6) > 0, Processes(0, 1, None))
    rows = torch.tensor([1, 2, 3, 5])
    negatives = Negatives(rows, torch.zeros(4), chosen=drawn)
    return objective._left_out(negatives, vectors, torch.tensor(targets), torch.tensor(taken), torch.tensor(whose))


def test_neither_the_target_nor_what_its_user_took_too_is_a_negative_of_those_chosen_for_the_batch():
    taken, whose = [[-1, 0, 1], [2, 3, 0]], [0, 1, 1]
    config = ObjectiveConfig(loss="sampled-softmax", negatives="in-batch")
    left_out = left_out_of(config, [0, 2, 0], True, taken, whose)
    assert left_out.tolist() == [[True, False, False, False]] + 2 * [[False, True, True, False]]
    # Of a sample from the whole catalogue, correction counts on everything but the target itself.
    left_out = left_out_of(ObjectiveConfig(loss="sampled-softmax"), [0, 2, 0], False, taken, whose)
    assert left_out.tolist() == [[False] * 4, [False, True, False, False], [False] * 4]


@pytest.mark.parametrize(("margin", "out"), [(0.1, True), (0.04, False)])
def test_a_hard_negative_within_the_margin_of_the_target_is_none(margin, out):
    config = ObjectiveConfig(loss="sampled-softmax", negatives="hard", margin=margin)
    assert left_out_of(config, [0], True, [[0]], [0]).tolist() == [[False, False, False, out]]


def test_among_fresh_items_no_other_is_target_or_negative(made):
    table, _, _, _, batch = made
    fresh = torch.unique(batch.rows[batch.mask > 0])[:6]
    loss_of(made, ObjectiveConfig(request_weight=0.0), fresh=fresh).backward()
    moved = table.residual.grad.abs().sum(dim=1) > 0
    history_only = torch.unique(batch.rows[:, :-1][batch.mask[:, :-1] > 0])
    assert set(moved.nonzero()[:, 0].tolist()) <= set(fresh.tolist()) | set(history_only.tolist())
    assert moved[fresh].all()


def test_a_batch_without_a_fresh_target_teaches_nothing_and_breaks_nothing(made):
    loss = loss_of(made, ObjectiveConfig(request_weight=0.0), fresh=torch.tensor(COLD[:1]))
    loss.backward()
    assert loss.item() == 0.0


def test_short_vectors_are_taught_too(made):
    plain, longer, shorter, both = (
        loss_of(made, ObjectiveConfig(slices=slices)).item() for slices in ((), (4,), (2,), (4, 2))
    )
    assert min(longer, shorter) > plain
    assert both - plain == pytest.approx(longer - plain + shorter - plain, rel=1e-4)  # every one in every step


def test_what_a_hidden_past_leaves_is_never_the_future(made):
    """With the oldest item hidden, the target of the first place must not reach the tower."""
    table, tower, requests, popularity, batch = made
    shown = batch.shown.clone()
    first = batch.mask.argmax(dim=1)
    shown[torch.arange(len(shown)), first] = 0
    hidden = replace(batch, shown=shown)
    seen = loss_of((table, tower, requests, popularity, hidden), ObjectiveConfig(request_weight=0.0))
    # Whatever the items at hidden places are, the loss is that of the others: they are neither read nor asked from.
    inputs = batch.inputs.clone()
    inputs[torch.arange(len(inputs)), first] = 29
    other = replace(hidden, inputs=inputs)
    same = loss_of((table, tower, requests, popularity, other), ObjectiveConfig(request_weight=0.0))
    assert same.item() == pytest.approx(seen.item())
    assert torch.isfinite(seen)


def test_fresh_items_are_expected_as_often_as_they_come():
    random = torch.Generator().manual_seed(0)
    popularity = torch.arange(1, 41).flip(0).float() ** 2
    objective = Objective.of(ObjectiveConfig(), popularity, popularity > 0, Processes(0, 1, None))
    found, said, draws = torch.zeros(40), torch.zeros(40), 3000
    for _ in range(draws):
        taken = torch.multinomial(popularity, 12, replacement=True, generator=random)
        distinct = torch.unique(taken)
        fresh = distinct[torch.randperm(len(distinct), generator=random)[:5]]
        drawn = objective._among(fresh, taken)
        found[fresh] += 1 / draws
        said[fresh] += drawn.log_expected.exp() / draws
    often = found > 0.05
    assert found[often] == pytest.approx(said[often] / found[often], rel=0.15)


def test_unit_rows_are_torchs_in_value_and_gradient():
    vectors = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    vectors[3] = 0
    ours, theirs = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    weights = torch.arange(35, dtype=torch.float64).reshape(7, 5)
    (unit_rows(ours) * weights).sum().backward()
    (torch.nn.functional.normalize(theirs, dim=-1) * weights).sum().backward()
    torch.testing.assert_close(unit_rows(ours), torch.nn.functional.normalize(theirs, dim=-1))
    torch.testing.assert_close(ours.grad, theirs.grad)
