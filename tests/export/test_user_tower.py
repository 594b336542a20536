"""The user tower: what its readers rely on."""

import pytest
import torch

from pocketrec_export.graphs.user import TowerConfig, UserTower

SHAPE = TowerConfig(layers=2, heads=2, hidden=16, history=10, dropout=0.3)


@pytest.fixture
def tower():
    torch.manual_seed(0)
    tower = UserTower(8, SHAPE).eval()
    torch.nn.init.normal_(tower.blocks[0].distance_bias)
    torch.nn.init.normal_(tower.blocks[1].distance_bias)
    return tower


def tokens(batch, length):
    vectors = torch.nn.functional.normalize(torch.randn(batch, length, 8), dim=-1)
    return vectors, torch.zeros(batch, length, dtype=torch.long), torch.ones(batch, length)


def test_a_history_reads_the_same_alone_and_as_the_start_of_a_longer_one(tower):
    vectors, kinds, mask = tokens(2, 9)
    every = tower.every_position(vectors, kinds, mask)
    for length in range(1, 10):
        alone = tower(vectors[:, :length], kinds[:, :length], mask[:, :length])
        assert torch.allclose(every[:, length - 1], alone, atol=1e-5)


def test_padding_at_the_left_changes_nothing(tower):
    vectors, kinds, mask = tokens(3, 4)
    padded = torch.cat([torch.randn(3, 5, 8), vectors], dim=1)
    long_kinds = torch.cat([torch.ones(3, 5, dtype=torch.long), kinds], dim=1)
    long_mask = torch.cat([torch.zeros(3, 5), mask], dim=1)
    assert torch.allclose(tower(padded, long_kinds, long_mask), tower(vectors, kinds, mask), atol=1e-5)


def test_order_and_kind_matter(tower):
    vectors, kinds, mask = tokens(1, 5)
    assert not torch.allclose(tower(vectors.flip(1), kinds, mask), tower(vectors, kinds, mask), atol=1e-3)
    assert not torch.allclose(tower(vectors, kinds + 1, mask), tower(vectors, kinds, mask), atol=1e-3)


def test_user_vectors_have_unit_length(tower):
    assert torch.allclose(tower(*tokens(4, 6)).norm(dim=1), torch.ones(4), atol=1e-5)


def test_heads_must_divide_the_dimension():
    with pytest.raises(ValueError, match="heads=3"):
        UserTower(8, TowerConfig(heads=3))
