"""A bundle is checked before it's used: whatever is altered or missing, one error names the file."""

import hashlib
import re
import shutil

import msgspec
import numpy as np
import onnx
import pytest
from fakes import DIM, make_bundle, random_vectors, ring, scorer_graph, seal, shop_items, user_graph

from pocketrec import BundleError, Recommender
from pocketrec.bundle import FILES, Bundle
from pocketrec.manifest import FORMAT, NAME, Manifest, describe_files
from pocketrec.text import TextTemplate


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle") / "whole")


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def alter(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0x20
    path.write_bytes(content)


def reseal(folder):
    """Make the manifest right again after a file was changed on purpose."""
    (folder / NAME).unlink()
    seal(folder, items=16)


def test_the_list_of_files_is_what_a_bundle_holds(whole):
    found = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert found == {NAME, *FILES}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_one_altered_byte_gives_an_error_that_names_the_file(copy, name, share):
    alter(copy / name, int(share * ((copy / name).stat().st_size - 1)))
    with pytest.raises(BundleError, match=f"{name}.*altered"):
        Recommender.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_gives_an_error_that_names_it(copy, name):
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(BundleError, match=name):
        Recommender.load(copy)


@pytest.mark.parametrize("name", [NAME, *FILES])
def test_a_missing_file_gives_an_error_that_names_it(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        Recommender.load(copy)


def test_an_altered_byte_anywhere_in_the_manifest_is_found(copy):
    content = (copy / NAME).read_bytes()
    for place in range(0, len(content), 5):
        altered = bytearray(content)
        altered[place] ^= 1 << place % 8  # the highest bit makes it no UTF-8
        (copy / NAME).write_bytes(altered)
        with pytest.raises(BundleError, match=NAME):
            Manifest.read(copy)


def test_a_newer_format_is_told_with_the_line_that_upgrades(copy):
    newer = msgspec.structs.replace(Manifest.read(copy), format=FORMAT + 1)
    newer.write(copy)
    with pytest.raises(BundleError, match=f"format {FORMAT + 1}.*pip install --upgrade pocketrec"):
        Recommender.load(copy)


def test_a_manifest_of_an_earlier_version_is_told_what_to_do(copy):
    path = copy / NAME
    old = re.sub(rb'\n  "newcomer_length": [^\n]*', b"", path.read_bytes())
    blank = old.replace(Manifest.read(copy).digest.encode(), b"0" * 64)
    path.write_bytes(blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode()))
    with pytest.raises(BundleError, match=r"missing required field `newcomer_length`; export the bundle again"):
        Recommender.load(copy)


@pytest.mark.parametrize("place", ["nothing", "empty", "file"])
def test_what_is_no_bundle_is_told_so(tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("hello")
    with pytest.raises(BundleError, match=f"{place} is not a bundle"):
        Recommender.load(tmp_path / place)


def test_a_file_of_which_the_manifest_says_nothing_is_refused(copy):
    manifest = Manifest.read(copy)
    rest = {name: facts for name, facts in manifest.files.items() if name != "neighbours/rows.npy"}
    msgspec.structs.replace(manifest, files=rest).write(copy)
    with pytest.raises(BundleError, match=r"neighbours/rows\.npy"):
        Recommender.load(copy)


def _other_features(folder):
    manifest = Manifest.read(folder)
    msgspec.structs.replace(manifest, features=("tower", "mood")).write(folder)


def _other_template(folder):
    manifest = Manifest.read(folder)
    encoder = msgspec.structs.replace(manifest.encoder, template=TextTemplate(separator=" / "))
    msgspec.structs.replace(manifest, encoder=encoder).write(folder)


def _no_scorer(folder):
    manifest = Manifest.read(folder)
    graphs = {role: facts for role, facts in manifest.graphs.items() if role != "scorer"}
    msgspec.structs.replace(manifest, graphs=graphs).write(folder)


def _saved(name, array):
    def change(folder):
        np.save(folder / name, array)
        reseal(folder)

    return change


def _replaced(name, content):
    def change(folder):
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            onnx.save(content, folder / name)
        reseal(folder)

    return change


def _in_int8(folder, scales=None):
    """The neighbours in int8, but for a part that stays away or is wrong."""
    manifest = Manifest.read(folder)
    ring(16).quantised().save(folder / "neighbours")
    (folder / "neighbours" / "scales.npy").unlink()
    if scales is not None:
        np.save(folder / "neighbours" / "scales.npy", scales)
    table = msgspec.structs.replace(manifest.neighbours, precision="int8")
    msgspec.structs.replace(manifest, neighbours=table, files=describe_files(folder)).write(folder)


def _long_scales(folder):
    _in_int8(folder, np.ones(17, np.float32))


UNFIT = {
    "features": (_other_features, "mood"),
    "template": (_other_template, "template"),
    "graph": (_no_scorer, "scorer"),
    "fewer vectors": (_saved("vectors.npy", random_vectors(15)), r"vectors\.npy"),
    "longer vectors": (_saved("vectors.npy", random_vectors(16, dim=9)), r"vectors\.npy"),
    "double vectors": (_saved("vectors.npy", random_vectors(16).astype(np.float64)), "float64"),
    "objects": (_saved("vectors.npy", np.array([{}] * 16, dtype=object)), r"vectors\.npy"),
    "popularity": (_saved("popularity.npy", np.ones(16, np.int64)), r"popularity\.npy"),
    "pointers": (_saved("neighbours/indptr.npy", np.zeros(17, np.int64)), "neighbours"),
    "falling pointers": (_saved("neighbours/indptr.npy", np.array([0, 9, 2, *range(3, 17)])), "neighbours"),
    "rows": (_saved("neighbours/rows.npy", np.full(16, 16, np.int32)), "neighbours"),
    "weights": (_saved("neighbours/weights.npy", np.ones((16, 1), np.float32)), r"weights\.npy"),
    "int8 weights": (_saved("neighbours/weights.npy", np.ones(16, np.int8)), r"weights\.npy is int8"),
    "no scales": (_in_int8, r"nothing of neighbours/scales\.npy"),
    "scales": (_long_scales, r"scales\.npy is float32\(17,\)"),
    "catalogue": (_replaced("items.sqlite", b"no database" * 100), r"items\.sqlite"),
    "tokenizer": (_replaced("tokenizer.json", b"{}"), r"tokenizer\.json"),
    "no graph": (_replaced("user.onnx", b"no graph"), r"user\.onnx"),
    "other graph": (_replaced("user.onnx", scorer_graph()), r"user\.onnx has inputs user, candidates, features"),
    "other width": (_replaced("scorer.onnx", scorer_graph(width=5)), r"scorer\.onnx: features is 5 wide"),
    "index": (_replaced("index.hnsw", b"no index"), r"index\.hnsw"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_files_that_do_not_fit_each_other_are_refused(copy, case):
    change, says = UNFIT[case]
    change(copy)
    with pytest.raises(BundleError, match=says):
        Recommender.load(copy)


def test_opening_gives_what_was_written(whole):
    bundle = Bundle.open(whole)
    items = shop_items()
    assert bundle.catalogue.all_items() == items
    assert bundle.index.vectors.shape == (16, DIM)
    assert bundle.popularity[[0, 15, 16]].tolist() == [1, 0, 0]
    assert bundle.neighbours.votes(np.array([3], np.int32))[0].tolist() == [4]


def test_the_reading_changes_with_encoder_tokenizer_and_vectors(whole, tmp_path):
    readings = {Bundle.open(whole).reading}
    readings.add(Bundle.open(make_bundle(tmp_path / "words", words=("lamp", "red", *"abcdef"))).reading)
    readings.add(Bundle.open(make_bundle(tmp_path / "vectors", vectors=random_vectors(16))).reading)
    assert len(readings) == 3
    assert Bundle.open(make_bundle(tmp_path / "same")).reading in readings


def test_a_bundle_is_never_written_to(whole):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    recommender = Recommender.load(whole)
    recommender.recommend(["i0"], query="red cup", where={"colour": "red"}, explain=True)
    recommender.remove(["i1"])
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before


def test_threads_below_one_are_refused(whole):
    with pytest.raises(ValueError, match="threads=0"):
        Recommender.load(whole, threads=0)


def test_a_user_graph_is_checked_by_itself(copy):
    graph = user_graph()
    del graph.graph.input[2]
    (copy / "user.onnx").write_bytes(graph.SerializeToString())
    reseal(copy)
    with pytest.raises(BundleError, match=r"user\.onnx"):
        Recommender.load(copy)
