"""What another bundle does differently is said, and nothing else."""

import shutil

import msgspec
import numpy as np
import pytest
from fakes import WORDS, make_bundle, shop_items, text_vector

from pocketrec import Item
from pocketrec.bundle_diff import BundleDiff
from pocketrec.cli import main


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("diff") / "before")


def test_a_copy_is_the_same_byte_for_byte(bundle, tmp_path, capsys):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    found = BundleDiff.of(bundle, copy)
    assert (found.files, found.words, found.added, found.removed, found.rewritten) == ({}, {}, [], [], [])
    assert (found.moves.moved, found.moves.farthest) == (0, "")
    assert found.rankings["queries"][:2] == (1.0, 0)
    assert main(["diff", str(bundle), str(copy)]) == 0
    assert "the same, byte for byte" in capsys.readouterr().out


def test_items_that_came_went_and_were_rewritten_are_named(bundle, tmp_path):
    items = shop_items()
    items[3] = msgspec.structs.replace(items[3], text="now with a story")
    items = [*items[:5], *items[6:], Item(id="new", title="red rug")]
    found = BundleDiff.of(bundle, make_bundle(tmp_path / "after", items))
    assert (found.added, found.removed, found.rewritten) == (["new"], ["i5"], ["i3"])
    assert found.moves.shared == 15
    assert found.moves.moved == 0  # another row isn't another place
    assert {"items.sqlite", "vectors.npy"} <= set(found.files)
    assert "encoder.onnx" not in found.files
    assert found.rankings["queries"][0] < 1


def test_the_item_that_moved_most_is_named(bundle, tmp_path, capsys):
    vectors = np.stack([text_vector(item.title) for item in shop_items()])
    vectors[7], vectors[2] = -vectors[7], np.eye(len(WORDS))[0]
    after = make_bundle(tmp_path / "after", vectors=vectors)
    moves = BundleDiff.of(bundle, after).moves
    assert (moves.shared, moves.moved, moves.farthest) == (16, 2, "i7")
    assert moves.least == pytest.approx(-1)
    assert main(["diff", str(bundle), str(after), "--json", str(tmp_path / "diff.json")]) == 0
    shown = capsys.readouterr().out
    assert "2 of 16 moved" in shown
    assert "farthest i7 (-1.0000)" in shown
    assert msgspec.json.decode((tmp_path / "diff.json").read_bytes(), type=BundleDiff).moves == moves


def test_words_of_the_manifest_are_told_by_their_place(bundle, tmp_path, capsys):
    after = make_bundle(tmp_path / "after", walk=True)
    assert BundleDiff.of(bundle, after).words == {"index.step_rows": (1e9, 0.0)}
    assert main(["diff", str(bundle), str(after)]) == 0
    assert "index.step_rows: 1e+09 -> 0" in capsys.readouterr().out
