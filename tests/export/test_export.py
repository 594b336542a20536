"""From a model folder to a bundle, through the gate."""

import dataclasses
import hashlib

import msgspec
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from pocketrec import Item, Recommender
from pocketrec.bundle import Bundle
from pocketrec.cli import main
from pocketrec.config import load_config
from pocketrec.errors import DataError, ModelError
from pocketrec.graphs import open_session
from pocketrec.manifest import Manifest
from pocketrec.newcomers import settled
from pocketrec.proof import Answers, Probe
from pocketrec.verdict import compare
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.index_builder import IndexConfig, build_index
from pocketrec_export.int8 import forms as int8_forms
from pocketrec_export.int8.gate import GateConfig, first_half, probe_of
from pocketrec_export.int8.quantise import dynamic_int8, stored_int8
from pocketrec_export.model import Model
from pocketrec_export.routes import optimum_exporter
from pocketrec_training.evaluate.model_ranker import ModelRanker

BOUND = 0.01


def answers(histories, company=0.0):
    """Of a bundle that was asked histories alone."""
    nothing = np.zeros((0, histories.shape[1]), np.int32)
    return Answers(histories=histories, queries=nothing, texts=np.zeros((0, 8), np.float32), company=company)


def probe_of_users(targets, moments):
    """A target for each history; those of one user stand together."""
    return Probe(moments=moments, users=[], user_targets=targets[::moments], queries=[], query_targets=[])


def spoiled(quantise):
    """A quantiser that ruins every weight it stores."""

    def spoil(source, target, *options):
        quantise(source, target, *options)
        graph = onnx.load(str(target))
        for tensor in graph.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype in (np.int8, np.uint8) and values.size > 1:
                noise = np.random.default_rng(0).integers(0, 256, values.shape).astype(np.uint8).view(values.dtype)
                tensor.CopyFrom(numpy_helper.from_array(noise, tensor.name))
        onnx.save(graph, str(target))

    return spoil


def test_bundle_ranks_as_the_model_does(toy_model, toy_bundle):
    model = Model.load(toy_model)
    ids = [item.id for item in model.items]
    recommender = Recommender.load(toy_bundle)
    ranked = ModelRanker(model).rank(model.held_out.histories, k=5)
    same = [
        len({ids[row] for row in line} & set(recommender.rank([ids[row] for row in rows], k=5))) / 5
        for line, rows in zip(ranked, model.held_out.histories, strict=True)
    ]
    assert np.mean(same) > 0.9


@pytest.mark.parametrize(
    ("name", "quantise", "role"),
    [
        ("dynamic_int8", dynamic_int8, "user"),
        ("dynamic_int8", dynamic_int8, "encoder"),
        ("stored_int8", stored_int8, "scorer"),
    ],
)
def test_what_int8_breaks_ships_otherwise(toy_model, tmp_path, monkeypatch, name, quantise, role):
    broken = spoiled(quantise)

    def only_this_role(source, target, *options):
        (broken if source.name.startswith(f"{role}.") else quantise)(source, target, *options)

    monkeypatch.setattr(int8_forms, name, only_this_role)
    exported = export(toy_model, tmp_path / "bundle", load_config(ExportConfig, overrides=["gate.bound=0.01"]))
    facts = exported.manifest.graphs[role]
    if name == "dynamic_int8":  # stored in int8, with float32 arithmetic
        assert facts.precision == "int8"
        assert facts.spared  # not all: of random weights, some operators say nothing, broken or not
        assert "with all in int8: overlap" in facts.reason
        assert exported.choice.verdicts["all"].overlap > 0.99
    else:
        assert facts.precision == "fp32"
        assert "failed the gate" in facts.reason
    assert not exported.choice.verdicts[role].passed
    assert exported.choice.verdicts["all"].passed
    Recommender.load(tmp_path / "bundle").recommend(["red-1"])


def test_float32_ships_where_somebody_asks_for_it(toy_model, toy_bundle, tmp_path):
    words = ["--model", str(toy_model), "--out", str(tmp_path / "bundle"), "--precision", "float32"]
    assert main(["export", *words]) == 0
    manifest = Manifest.read(tmp_path / "bundle")
    assert {graph.precision for graph in manifest.graphs.values()} == {"fp32"}
    assert {graph.reason for graph in manifest.graphs.values()} == {"float32, as asked"} == {manifest.neighbours.reason}
    assert (manifest.neighbours.precision, manifest.followers.precision) == ("fp32", "fp32")
    assert (manifest.quality["loss"], manifest.quality["overlap@10"]) == (0.0, 1.0)
    assert manifest.files["encoder.onnx"].bytes > Manifest.read(toy_bundle).files["encoder.onnx"].bytes
    assert main(["verify", str(tmp_path / "bundle")]) == 0


def test_the_gate_passes_equal_answers_and_blocks_worse_ones():
    random = np.random.default_rng(0)
    targets = [np.array([row], np.int32) for row in range(200)]
    good = np.stack([np.r_[row, 1000 + random.permutation(9)] for row in range(200)]).astype(np.int32)
    bad = good.copy()
    bad[:20, 0] = 5000  # one in ten loses its hit
    probe = probe_of_users(targets, moments=1)
    same = compare(answers(good), answers(good), probe, BOUND)
    assert same.passed
    assert (same.overlap, same.loss, same.upper) == (1.0, 0.0, 0.0)
    worse = compare(answers(good), answers(bad), probe, BOUND)
    assert not worse.passed
    assert worse.loss == pytest.approx(0.1)
    assert worse.upper > 0.1
    assert compare(answers(good), answers(bad), probe, 0.2).passed
    assert not compare(answers(good), answers(good, company=1e-3), probe, BOUND).passed  # batch mates change vectors


def test_a_lucky_mean_is_not_enough_for_the_gate():
    """Ten cases of which one gains and one loses: no loss on average, but nobody knows."""
    targets = [np.array([0], np.int32)] * 10
    before = np.tile(np.array([[0, 1]], np.int32), (10, 1))
    before[0] = [1, 2]
    after = np.tile(np.array([[0, 1]], np.int32), (10, 1))
    after[1] = [1, 2]
    probe = probe_of_users(targets, moments=1)
    verdict = compare(answers(before), answers(after), probe, BOUND)
    assert verdict.loss == pytest.approx(0)
    assert not verdict.passed


def newcomers(table):
    """Of a bundle that was asked for newcomers alone."""
    return dataclasses.replace(answers(np.zeros((len(table), 10), np.int32)), newcomers=table)


def test_of_newcomers_only_a_loss_that_is_certain_fails():
    random = np.random.default_rng(0)
    targets = [np.array([row], np.int32) for row in range(200)]
    probe = dataclasses.replace(probe_of_users(targets, 1), users=targets, arrivals=np.arange(200, dtype=np.int32))
    good = np.stack([np.r_[row, 1000 + random.permutation(9)] for row in range(200)]).astype(np.int32)
    other, worse = good.copy(), good.copy()
    good[:10, 0], other[10:22, 0], worse[:40, 0] = 5000, 5000, 5000
    verdict = compare(newcomers(good), newcomers(other), probe, BOUND)  # ten gain and twelve lose
    assert verdict.losses["newcomers"] == pytest.approx(2 / 190)
    assert verdict.passed
    verdict = compare(newcomers(good), newcomers(worse), probe, BOUND)
    assert not verdict.passed
    assert verdict.lowers["newcomers"] > BOUND
    assert f"of newcomers {verdict.losses['newcomers']:+.2%}, at least" in verdict.words
    assert (verdict.loss, verdict.upper, verdict.overlap) == (0.0, 0.0, 1.0)  # those of histories


def test_the_gate_asks_for_a_tenth_of_what_was_taken_as_newcomers(toy_model):
    model = Model.load(toy_model)
    probe = probe_of(model.held_out, model.items, model.popularity, GateConfig(), 0)
    assert len(probe.arrivals) == int((model.popularity > 0).sum()) // 10
    assert (model.popularity[probe.arrivals] > 0).all()
    asked = [row for rows in probe.newcomer_targets for row in rows.tolist()]
    assert set(asked) == set(probe.arrivals.tolist())
    untitled = [msgspec.structs.replace(item, title=" ") for item in model.items]
    assert not len(probe_of(model.held_out, untitled, model.popularity, GateConfig(), 0).arrivals)


def test_a_user_asked_at_several_moments_counts_once():
    """Both bundles rank equally well on average, each better at other moments: the interval must be that of users."""
    random = np.random.default_rng(0)
    hit, miss = [0, *range(1, 10)], [*range(1, 10), 0]  # of one user in two
    targets = [np.array([0], np.int32)] * 400
    sides = [np.array([[hit, miss][flip] for flip in random.integers(0, 2, 400)], np.int32) for _ in range(2)]

    def upper(moments):
        probe = probe_of_users(targets, moments=moments)
        return compare(answers(sides[0]), answers(sides[1]), probe, BOUND)

    assert upper(4).loss == pytest.approx(upper(1).loss)
    assert upper(4).upper == pytest.approx(upper(1).upper, abs=0.02)  # 400 flips are 400 flips, however grouped
    same = [side.reshape(100, 4, 10)[:, :1].repeat(4, axis=1).reshape(400, 10) for side in sides]
    probe = probe_of_users(targets, moments=4)
    copied = compare(answers(same[0]), answers(same[1]), probe, BOUND)
    alone = compare(
        answers(same[0][::4]),
        answers(same[1][::4]),
        probe_of_users(targets[:100], moments=1),
        BOUND,
    )
    assert copied.upper == pytest.approx(alone.upper)  # asking the same again adds no certainty


def test_exporting_twice_gives_the_same_files_but_for_timings(toy_model, toy_bundle, tmp_path):
    export(toy_model, tmp_path / "bundle", ExportConfig())
    first, again = Manifest.read(toy_bundle), Manifest.read(tmp_path / "bundle")
    assert first.files == again.files


def test_a_new_item_stands_among_the_items_that_the_shipped_encoder_finds_alike(toy_bundle):
    recommender = Recommender.load(toy_bundle)
    recommender.upsert([Item(id="new", title="blue rug", categories=("living",))])
    vectors = np.load(toy_bundle / "vectors.npy")
    known = np.load(toy_bundle / "popularity.npy") > 0
    length = Manifest.read(toy_bundle).newcomer_length
    vector = settled(recommender.encode(["blue rug. living"]), vectors, known, length)[0]
    best = recommender.similar("new", k=1)[0]
    assert best.score == pytest.approx(float((vectors @ vector).max()), abs=1e-5)


def test_the_shipped_encoder_has_read_the_items_so_a_twin_is_known_as_such(toy_bundle):
    bundle = Bundle.open(toy_bundle)
    items = bundle.catalogue.all_items()
    texts = [bundle.manifest.encoder.template.render(item) for item in items]
    read = bundle.encoder.encode(texts, bundle.manifest.dim)
    assert bundle.texts.read == pytest.approx(read, abs=1e-3)
    alike = bundle.texts.to(read, texts)
    assert np.diagonal(alike) == pytest.approx(1, abs=1e-3)
    assert (alike <= 1.001).all()


def test_the_manifest_says_what_form_each_graph_has(toy_bundle):
    for name, facts in Manifest.read(toy_bundle).graphs.items():
        graph = onnx.load(toy_bundle / f"{name}.onnx")
        assert facts.ir == graph.ir_version > 0
        assert facts.producer == f"{graph.producer_name} {graph.producer_version}".strip() != ""
        assert facts.opset in [part.version for part in graph.opset_import if part.domain == ""]


@pytest.mark.parametrize("route", ["dynamo", "optimum"])
def test_a_bundle_by_another_route_recommends_the_same(toy_model, toy_bundle, tmp_path, route):
    export(toy_model, tmp_path / "bundle", ExportConfig(route=route))
    said = {"dynamo": "dynamo=True", "optimum": "optimum"}[route]
    assert said in Manifest.read(tmp_path / "bundle").graphs["encoder"].route
    assert main(["verify", str(tmp_path / "bundle")]) == 0
    mine, usual = (Recommender.load(folder) for folder in (tmp_path / "bundle", toy_bundle))
    for row in range(12):
        history = [f"red-{row % 6}", f"blue-{row % 5}"]
        assert mine.rank(history, k=3) == usual.rank(history, k=3)
        assert mine.rank(query=f"{history[0][:-2]} cup", k=3) == usual.rank(query=f"{history[0][:-2]} cup", k=3)


def test_both_routes_give_the_same_vectors(toy_model, tmp_path):
    encoder = Model.load(toy_model).encoder
    optimum_exporter.export_encoder(encoder, tmp_path / "encoder.onnx")
    session = open_session(tmp_path / "encoder.onnx", threads=1)
    for batch, length in ((1, 1), (1, 9), (3, 4), (5, 16)):
        ids = np.random.default_rng(length).integers(2, 18, (batch, length))
        mask = (np.arange(length)[None, :] <= np.arange(batch)[:, None] + length // 2).astype(np.int64)
        expected = encoder(torch.from_numpy(ids), torch.from_numpy(mask)).detach().numpy()
        found = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        assert np.abs(found - expected).max() < 1e-5


def test_index_reaches_its_recall_and_is_deterministic(tmp_path):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((3000, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    users = vectors[:100] + 0.1 * random.standard_normal((100, 24)).astype(np.float32)
    facts = build_index(vectors, [users], 50, IndexConfig(recall=0.97), tmp_path / "a.hnsw")
    build_index(vectors, [users], 50, IndexConfig(recall=0.97), tmp_path / "b.hnsw")
    assert facts.recall >= 0.97
    assert 50 <= facts.ef <= 3000
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.hnsw", "b.hnsw")}
    assert len(digests) == 1


def test_a_folder_of_other_things_is_never_replaced(toy_model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="mine exists and is not a bundle"):
        export(toy_model, tmp_path / "mine", ExportConfig())
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_no_model_is_one_clear_error(tmp_path):
    with pytest.raises(ModelError, match="is not a model"):
        export(tmp_path / "nothing", tmp_path / "bundle", ExportConfig())


def test_first_half_of_a_title_has_a_word():
    assert first_half("Blue teapot with lid") == "Blue teapot"
    assert first_half("Teapot") == "Teapot"


def test_config_round_trips():
    config = ExportConfig(gate=GateConfig(bound=0.02))
    assert msgspec.json.decode(msgspec.json.encode(config), type=ExportConfig) == config
