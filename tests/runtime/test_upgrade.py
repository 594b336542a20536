"""A bundle of an older format becomes one of the newest, which answers as the old one did."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from fakes import turned_round

from pocketrec import Item, Recommender
from pocketrec.bundle import Bundle
from pocketrec.cli import main
from pocketrec.errors import BundleError, DataError
from pocketrec.manifest import FORMAT, Manifest, describe_files
from pocketrec.neighbours import Neighbours
from pocketrec.proof import Answers
from pocketrec.upgrade import upgrade

SECOND = Path(__file__).parents[1] / "golden" / "format-2" / "bundle"
OLD = Path(__file__).parents[1] / "golden" / "format-1" / "bundle"
NEW = Path(__file__).parents[1] / "golden" / f"format-{FORMAT}" / "bundle"
REQUESTS = [line["request"] for line in json.loads((OLD.parent / "answers.json").read_text())]


def ids(recommender, **request):
    return [one.id for one in recommender.recommend(**request, k=5)]


def test_it_answers_as_before_and_is_smaller(tmp_path):
    before = {path: path.read_bytes() for path in OLD.rglob("*") if path.is_file()}
    manifest = upgrade(OLD, tmp_path / "new")
    assert {path: path.read_bytes() for path in OLD.rglob("*") if path.is_file()} == before
    assert manifest.format == FORMAT == Manifest.read(tmp_path / "new").format
    assert manifest.provenance["upgraded_from"] == "format 1"
    assert manifest.bytes_below("neighbours/") < Manifest.read(OLD).bytes_below("neighbours/")
    assert Bundle.open(tmp_path / "new").neighbours.precision == manifest.neighbours.precision == "int8"
    assert manifest.neighbours.reason == manifest.followers.reason
    assert f"overlap@10 {manifest.quality['overlap@10']:.3f}" in manifest.neighbours.reason
    old, new = Recommender.load(OLD), Recommender.load(tmp_path / "new")
    for request in REQUESTS:  # near ties may change places
        assert len(set(ids(old, **request)) & set(ids(new, **request))) >= 4
        best, same = (recommender.recommend(**request, k=5) for recommender in (old, new))
        assert [one.score for one in same] == pytest.approx([one.score for one in best], abs=2e-2)
    assert main(["verify", str(tmp_path / "new")]) == 0


@pytest.mark.parametrize("folder", [OLD, SECOND], ids=["format-1", "format-2"])
def test_before_format_3_newcomers_are_compared_by_where_they_stand_and_then_by_their_texts(tmp_path, folder):
    """Afterwards an item like another has its votes in the first place; as many in all as before."""
    twin = Item(id="twin", title=Bundle.open(folder).catalogue.item(3).title)
    totals = []
    for bundle in (folder, tmp_path / "new"):
        if bundle != folder:
            upgrade(folder, bundle)
        recommender = Recommender.load(bundle)
        assert (recommender._live.bundle.texts is None) == (bundle == folder)
        recommender.upsert([twin])
        live = recommender._live
        each = [live.late_votes(np.array([row], np.int32))[0, 0] for row in range(len(live.bundle.catalogue))]
        totals.append(sum(each))
    titles = [item.title for item in live.bundle.catalogue.all_items()]
    assert titles[int(np.argmax(each))] == twin.title
    assert 0.3 < totals[1] / totals[0] < 3


def test_from_format_2_only_texts_are_new(tmp_path):
    before, after = Manifest.read(SECOND), upgrade(SECOND, tmp_path / "new")
    assert set(after.files) - set(before.files) == {"texts.npy"}
    assert after.quality == before.quality
    assert after.neighbours.reason == before.neighbours.reason
    same = [name for name, facts in before.files.items() if after.files[name].sha256 == facts.sha256]
    assert sorted(same) == sorted(before.files)
    for request in REQUESTS:
        assert ids(Recommender.load(tmp_path / "new"), **request) == ids(Recommender.load(SECOND), **request)
    assert main(["verify", str(tmp_path / "new")]) == 0


def test_what_was_added_since_goes_along(tmp_path):
    recommender = Recommender.load(OLD, overlay=tmp_path / "state")
    recommender.upsert([Item(id="late", title="green vase, late")])
    before = ids(recommender, query="green vase")
    assert "late" in before
    upgrade(OLD, tmp_path / "new")
    assert ids(Recommender.load(tmp_path / "new", overlay=tmp_path / "state"), query="green vase") == before


def test_int8_that_ranks_otherwise_is_kept_out(tmp_path, monkeypatch):
    monkeypatch.setattr(Neighbours, "quantised", turned_round)
    manifest = upgrade(OLD, tmp_path / "new")
    assert manifest.neighbours.reason.startswith("float32: int8 failed the gate")
    old, new = Bundle.open(OLD), Bundle.open(tmp_path / "new")
    for before, after in zip(old.tables, new.tables, strict=True):
        assert after.precision == "fp32"
        assert after.rows.dtype == np.uint16
        assert np.array_equal(after.values, before.values)
        assert np.array_equal(after.rows, before.rows)
    assert "neighbours/scales.npy" not in manifest.files


def test_without_a_proof_weights_stay_as_they_were(tmp_path):
    shutil.copytree(OLD, tmp_path / "old")
    (tmp_path / "old" / "proof.npz").unlink()
    files = describe_files(tmp_path / "old")
    msgspec.structs.replace(Manifest.read(OLD), files=files).write(tmp_path / "old")
    manifest = upgrade(tmp_path / "old", tmp_path / "new")
    assert manifest.neighbours.precision == "fp32"
    assert "no proof" in manifest.neighbours.reason
    assert ids(Recommender.load(tmp_path / "new"), **REQUESTS[0]) == ids(Recommender.load(OLD), **REQUESTS[0])


def test_it_may_take_the_old_ones_place(tmp_path):
    shutil.copytree(OLD, tmp_path / "bundle")
    upgrade(tmp_path / "bundle", tmp_path / "bundle")
    assert Manifest.read(tmp_path / "bundle").format == FORMAT
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_lies_beside_the_bundles_files_is_neither_taken_along_nor_lost(tmp_path):
    shutil.copytree(OLD, tmp_path / "old")
    recommender = Recommender.load(tmp_path / "old", overlay=tmp_path / "old")
    recommender.upsert([Item(id="late", title="green vase, late")])
    manifest = upgrade(tmp_path / "old", tmp_path / "new")
    assert not [name for name in manifest.files if "overlay" in name]
    assert not list((tmp_path / "new").glob("overlay*"))
    with pytest.raises(DataError, match=r"overlay\.sqlite.*would be lost"):
        upgrade(tmp_path / "old", tmp_path / "old")
    with pytest.raises(BundleError, match=r"lies in .*old itself"):
        upgrade(tmp_path / "old", tmp_path / "old" / "inner")
    assert "late" in ids(Recommender.load(tmp_path / "old", overlay=tmp_path / "old"), query="green vase")


def test_an_upgrade_that_is_killed_leaves_the_old_bundle_whole(tmp_path, monkeypatch):
    shutil.copytree(OLD, tmp_path / "bundle")

    def killed(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(Answers, "of", killed)
    with pytest.raises(KeyboardInterrupt):
        upgrade(tmp_path / "bundle", tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert Manifest.read(tmp_path / "bundle").format == 1
    Bundle.open(tmp_path / "bundle")


def test_a_machine_where_the_bundle_itself_ranks_otherwise_is_not_the_tables_fault(tmp_path, monkeypatch):
    real = Answers.of

    def elsewhere(*given):
        answers = real(*given)
        return replace(answers, histories=answers.histories[::-1], queries=answers.queries[::-1])

    monkeypatch.setattr(Answers, "of", elsewhere)
    manifest = upgrade(OLD, tmp_path / "new")
    assert manifest.neighbours.precision == "fp32"
    assert "doesn't rank here as at export" in manifest.neighbours.reason
    assert manifest.quality == Manifest.read(OLD).quality


def test_the_newest_format_is_not_upgraded(tmp_path):
    with pytest.raises(BundleError, match=f"format {FORMAT}, the newest"):
        upgrade(NEW, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_altered_bundle_or_a_foreign_folder_stops_it(tmp_path):
    shutil.copytree(OLD, tmp_path / "old")
    with (tmp_path / "old" / "vectors.npy").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=r"vectors\.npy is altered"):
        upgrade(tmp_path / "old", tmp_path / "new")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="mine exists and is not a bundle"):
        upgrade(OLD, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "old"]


def test_the_command_says_what_became_of_it(tmp_path, capsys):
    assert main(["upgrade", str(OLD), "--out", str(tmp_path / "new"), "--json", str(tmp_path / "new.json")]) == 0
    said = capsys.readouterr().out
    assert f"format 1 -> {FORMAT}" in said
    assert "int8 passed the gate" in said
    assert "items' texts: read" in said
    assert json.loads((tmp_path / "new.json").read_text())["format"] == FORMAT
