"""A bundle carries its proof, and says on any machine whether it still answers as it did."""

import shutil

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from pocketrec import Recommender
from pocketrec.bundle import Bundle
from pocketrec.cli import main
from pocketrec.encoder import TextEncoder
from pocketrec.errors import BundleError
from pocketrec.manifest import Manifest, describe_files
from pocketrec.proof import FILE, Answers, Probe, Proof
from pocketrec.results import Result
from pocketrec.verdict import COMPANY, compare
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.int8.gate import GateConfig

ROWS = st.lists(st.integers(0, 9), min_size=1, max_size=6).map(lambda rows: np.array(rows, np.int32))


def sealed(folder):
    """Write the manifest anew, as if export had made the files that lie there."""
    manifest = Manifest.read(folder)
    msgspec.structs.replace(manifest, files=describe_files(folder)).write(folder)


@pytest.fixture
def copy(toy_bundle, tmp_path):
    return shutil.copytree(toy_bundle, tmp_path / "bundle")


def test_a_bundle_that_was_not_touched_finds_what_export_found(toy_bundle, tmp_path, capsys):
    assert main(["verify", str(toy_bundle), "--json", str(tmp_path / "verify.json")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("ok  ") == 7
    assert "FAIL" not in shown
    found, quality = Result.read(tmp_path / "verify.json").metrics, Manifest.read(toy_bundle).quality
    assert found["batch_delta_max"] <= COMPANY
    for key in ("overlap@10", "cosine", "batch_delta_max", "histories/ndcg@10/int8", "newcomers/ndcg@10/fp32"):
        assert found[key] == quality[key]
    assert max(found["histories/loss_upper"], found["queries/loss_upper"]) == quality["loss_upper"]


def test_an_encoder_that_answers_nonsense_is_found_out(copy, capsys):
    graph = onnx.load(str(copy / "encoder.onnx"))
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype in (np.float32, np.int8, np.uint8) and values.ndim == 2:
            noise = np.random.default_rng(0).permuted(values, axis=None)
            tensor.CopyFrom(numpy_helper.from_array(noise, tensor.name))
    onnx.save(graph, str(copy / "encoder.onnx"))
    sealed(copy)
    assert main(["verify", str(copy)]) == 1
    told = capsys.readouterr()
    assert "FAIL  queries" in told.out
    assert "ok    histories" in told.out  # they never read a text
    assert "FAIL  texts" in told.out
    assert "doesn't answer here as it did at export (queries" in told.err


def test_a_bundle_without_proof_recommends_all_the_same(toy_model, tmp_path, capsys):
    export(toy_model, tmp_path / "bundle", ExportConfig(gate=GateConfig(proof=False)))
    assert not (tmp_path / "bundle" / FILE).exists()
    assert Recommender.load(tmp_path / "bundle").recommend(["red-1"])
    assert main(["verify", str(tmp_path / "bundle")]) == 1
    assert "carries no proof" in capsys.readouterr().err


def test_a_changed_byte_of_the_proof_is_found_out(copy, capsys):
    content = bytearray((copy / FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / FILE).write_bytes(content)
    assert main(["verify", str(copy)]) == 1
    assert "altered" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_proof_that_is_none_is_told_in_one_line(copy, content):
    if content is None:
        np.savez(copy / FILE, moments=np.array(1))
    else:
        (copy / FILE).write_bytes(content)
    with pytest.raises(BundleError, match=r"proof\.npz can't be read.*export the bundle again"):
        Proof.load(copy / FILE)


@given(
    users=st.lists(ROWS, max_size=5),
    moments=st.integers(1, 4),
    arrivals=st.lists(st.integers(0, 9), unique=True, max_size=4),
    queries=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=9), max_size=4
    ),
)
def test_what_is_saved_is_what_is_loaded(tmp_path_factory, users, moments, arrivals, queries):
    new, wanted = np.array(arrivals, np.int32), [np.array([3], np.int32)] * len(queries)
    probe = Probe(moments, users, [rows[-1:] for rows in users], queries, wanted, new)
    given = Answers(
        histories=np.arange(10 * len(users) * moments, dtype=np.int32).reshape(-1, 10),
        queries=np.full((len(queries), 10), -1, np.int32),
        texts=np.ones((len(queries), 4), np.float32),
        company=1e-7,
        newcomers=np.zeros((len(probe.newcomer_histories), 10), np.int32),
    )
    path = tmp_path_factory.mktemp("proof") / FILE
    Proof(probe, given, 0.01).save(path)
    loaded = Proof.load(path)
    assert (loaded.bound, loaded.answers.company, loaded.probe.queries) == (0.01, 1e-7, queries)
    assert [rows.tolist() for rows in loaded.probe.histories] == [rows.tolist() for rows in probe.histories]
    assert [rows.tolist() for rows in loaded.probe.query_targets] == [[3]] * len(queries)
    assert [rows.tolist() for rows in loaded.probe.newcomer_targets] == [[rows[-1]] for rows in users
        for _ in range(moments) if rows[-1] in arrivals]  # fmt: skip
    for name in ("histories", "queries", "texts", "newcomers"):
        np.testing.assert_array_equal(getattr(loaded.answers, name), getattr(given, name))


def test_a_proof_of_before_there_were_newcomers_in_it_is_read(copy, tmp_path):
    with np.load(copy / FILE) as arrays:
        assert len(arrays["arrivals"])
        kept = {name: arrays[name] for name in arrays if name not in ("arrivals", "answers_newcomers")}
    np.savez(tmp_path / FILE, **kept)
    proof = Proof.load(tmp_path / FILE)
    ids = Bundle.open(copy).catalogue.ids
    verdict = compare(proof.answers, Answers.of(copy, proof.probe, ids), proof.probe, proof.bound)
    assert verdict.passed
    assert sorted(verdict.losses) == ["histories", "queries"]


def test_a_vector_is_the_same_in_five_hundred_random_companies(toy_bundle):
    manifest = Manifest.read(toy_bundle)
    texts = [
        f"{colour} {thing} {place}" for colour in ("red", "blue") for thing in ("pot", "cup") for place in range(5)
    ]
    files = toy_bundle / "encoder.onnx", toy_bundle / "tokenizer.json", manifest.encoder.max_tokens
    alone = np.concatenate([TextEncoder.open(*files).encode([text], manifest.dim) for text in texts])
    random, worst = np.random.default_rng(0), 0.0
    for _ in range(500):
        batch = random.integers(0, len(texts), random.integers(1, 12))
        reader = TextEncoder.open(*files, threads=int(random.integers(1, 3)))  # with no vector at hand
        together = reader.encode([texts[place] for place in batch], manifest.dim)
        worst = max(worst, float(np.abs(together - alone[batch]).max()))
    assert worst <= COMPANY
