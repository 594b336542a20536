"""A student comes near its teacher, on texts it never saw, takes its place, and runs like any encoder."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest
import torch
from msgspec.structs import replace
from text_models import SHAPES
from torch import nn

from pocketrec import Recommender
from pocketrec.cli import main
from pocketrec.encoder import TextEncoder
from pocketrec.errors import ConfigError, ModelError
from pocketrec.newcomers import settled
from pocketrec.text import TextTemplate
from pocketrec_export.distil.distillation import DistilConfig, Distilled, NanoConfig, ShallowConfig, distil
from pocketrec_export.distil.replacement import on_axes, with_student
from pocketrec_export.distil.static import principal_axes
from pocketrec_export.distil.student import shallower
from pocketrec_export.distil.texts import DomainTexts
from pocketrec_export.exchange import export_encoder
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.static import StaticEmbedding
from pocketrec_export.model import Model
from pocketrec_export.routes.torch_exporter import export_graph
from pocketrec_export.shapes import TOLERANCE
from pocketrec_export.text_vectors import encode_texts, open_tokenizer, text_vectors
from pocketrec_training.train import train

TINY = DistilConfig(held_out=0.2, tiny=ShallowConfig(layers=2, epochs=20, rate=2e-3, batch=8))
NANO = DistilConfig(held_out=0.2, nano=NanoConfig(width=16, epochs=20, rate=1e-2, batch=8))


@pytest.fixture(scope="module")
def nano(teacher, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nano") / "model"
    return folder, distil(teacher, folder, "nano", NANO)


def mean_cosine(student, teacher, texts):
    """By the ordinary way from texts to vectors, of both folders."""
    one, other = (text_vectors(texts, folder, "mean", 16, "Reading") for folder in (student, teacher))
    return float((one * other).sum(axis=1).mean())


@pytest.mark.parametrize("pruned", [(), ("tiny",)])
def test_a_shallower_student_comes_near_its_teacher_on_texts_it_never_saw(teacher, shop, tmp_path, pruned):
    distilled = distil(teacher, tmp_path / "tiny", "tiny", replace(TINY, prune_vocabulary=pruned))
    assert distilled.held_out > 10
    assert distilled.untrained < 0.5
    assert distilled.cosine > 0.9
    assert distilled.weights < distilled.teacher_weights
    student = TextModel.open(tmp_path / "tiny" / "encoder")
    assert student.config.num_hidden_layers == 2
    assert student.pooling == Model.load(teacher).card.pooling
    texts = DomainTexts.of(shop.items, TextTemplate(), TINY.held_out, TINY.texts, seed=0).held_out
    measured = mean_cosine(tmp_path / "tiny" / "encoder", teacher / "encoder", texts)
    assert measured == pytest.approx(distilled.cosine, abs=1e-5)


def test_a_static_student_comes_near_its_teacher_on_texts_it_never_saw(nano):
    folder, distilled = nano
    assert distilled.cosine > distilled.untrained + 0.02
    assert distilled.cosine > 0.97
    assert msgspec.json.decode((folder / "encoder" / "distilled.json").read_bytes(), type=Distilled) == distilled
    assert json.loads((folder / "encoder" / "config.json").read_text())["architectures"] == ["StaticEmbedding"]
    assert TextModel.open(folder / "encoder").width == 16


def test_the_same_seed_gives_the_same_student(nano, teacher, tmp_path):
    folder, _ = nano
    distil(teacher, tmp_path / "again", "nano", NANO)
    for name in ("encoder/model.safetensors", "encoder/tokenizer.json", "encoder/distilled.json", "vectors.npy"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    distil(teacher, tmp_path / "again", "nano", NANO, seed=1)
    weights = "encoder/model.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() != (folder / weights).read_bytes()


def test_a_static_student_trains_exports_and_runs_like_any_encoder(nano, shop, toy_config, tmp_path):
    folder = nano[0] / "encoder"
    reading = replace(toy_config.encoder, folder=str(folder))
    train(shop, tmp_path / "model", replace(toy_config, encoder=reading), seed=0)
    exported = export(tmp_path / "model", tmp_path / "bundle", ExportConfig())
    assert exported.full.differences["encoder"] < TOLERANCE
    model, recommender = Model.load(tmp_path / "model"), Recommender.load(tmp_path / "bundle")
    ids = torch.ones(2, 3, dtype=torch.long)
    axes = {"input_ids": ("batch", "length"), "attention_mask": ("batch", "length"), "vector": ("batch",)}
    export_graph(model.encoder, {"input_ids": ids, "attention_mask": ids}, "vector", axes, tmp_path / "full.onnx")
    runtime = TextEncoder.open(tmp_path / "full.onnx", tmp_path / "bundle" / "tokenizer.json", 16)
    for text in ("blue rug", "red cup. kitchen", "an unheard-of thing"):
        ids = torch.tensor([open_tokenizer(folder, 16).encode(text).ids])
        expected = model.encoder(ids, torch.ones_like(ids))[0].detach().numpy()
        assert np.abs(runtime.encode_one(text) - expected).max() < 1e-5
        assert recommender.encode([text])[0] @ expected > 0.9  # int8, of vectors that lie in a narrow cone
    assert {line.id.split("-")[0] for line in recommender.recommend(query="blue", k=5)} == {"blue"}


def test_a_distilled_model_answers_histories_as_before_and_reads_nearly_alike(nano, teacher, tmp_path):
    before, after = Model.load(teacher), Model.load(nano[0])
    assert np.array_equal(after.vectors, before.vectors)
    assert after.card.encoder == f"{before.card.encoder}-nano"
    for folder in (teacher, nano[0]):
        export(folder, tmp_path / folder.parent.name, ExportConfig())
    old, new = (Recommender.load(tmp_path / folder.parent.name) for folder in (teacher, nano[0]))
    for item in before.items[::7]:
        assert new.rank([item.id], k=5) == old.rank([item.id], k=5)
    texts = [before.card.template.render(item) for item in before.items]
    assert (new.encode(texts) * old.encode(texts)).sum(axis=1).min() > 0.9


def test_items_that_nobody_took_stand_where_the_student_reads_them(nano, toy_model):
    model, student = Model.load(toy_model), Model.load(nano[0])
    fresh = np.arange(len(model.items)) % 4 == 0
    model = dataclasses.replace(
        model,
        card=replace(model.card, newcomer_length=0.7, validation={"tower/ndcg@10": 0.2, "tower/context/ndcg@10": 0.3}),
        residual=np.where(fresh[:, None], 0, model.residual).astype(np.float32),
        popularity=np.where(fresh, 0, model.popularity).astype(np.int32),
    )
    changed = with_student(model, student.encoder, student.encoder_folder, "student")
    texts = [model.card.template.render(item) for item in model.items]
    read = encode_texts(texts, student.encoder.text_model, student.encoder_folder, 16, "Reading")
    read = read @ student.encoder.projection.weight.numpy().T + student.encoder.projection.bias.numpy()
    read /= np.linalg.norm(read, axis=1, keepdims=True)
    assert np.array_equal(changed.vectors[~fresh], model.vectors[~fresh])
    assert np.allclose(changed.vectors[fresh], settled(read[fresh], model.vectors, ~fresh, 0.7), atol=1e-5)
    assert not changed.residual[fresh].any()
    assert changed.card.validation == {"tower/ndcg@10": 0.2}  # contexts are the student's to read now
    assert np.allclose((read + changed.residual)[~fresh], model.vectors[~fresh], atol=1e-5)


def test_a_projection_on_other_axes_gives_the_same_of_what_lies_on_them():
    torch.manual_seed(0)
    projection, axes = nn.Linear(8, 5), torch.linalg.qr(torch.randn(8, 3))[0]
    inner = torch.randn(4, 3)
    assert torch.allclose(on_axes(projection, axes)(inner), projection(inner @ axes.T), atol=1e-6)


def test_a_static_encoder_has_no_top_layers_to_tune(nano, shop, toy_config, tmp_path):
    reading = replace(toy_config.encoder, folder=str(nano[0] / "encoder"), tune="top:1")
    with pytest.raises(ConfigError, match="no list of layers"):
        train(shop, tmp_path / "model", replace(toy_config, encoder=reading), seed=0)


def test_a_static_encoder_is_refused_where_nobody_could_open_it(nano, tmp_path):
    with pytest.raises(ModelError, match="a static encoder, which sentence-transformers can't open"):
        export_encoder(nano[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_static_text_is_the_weighted_mean_of_its_tokens():
    table = StaticEmbedding.of(torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]), torch.tensor([3.0, 4.0, 1.0]))
    vector = TextModel(table, "mean")(torch.tensor([[0, 1, 2]]), torch.tensor([[1, 1, 0]]))[0]
    assert vector.tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("name", SHAPES)
def test_every_family_has_a_shallower_student(name, tmp_path):
    folder = SHAPES[name].write(tmp_path / "teacher", num_hidden_layers=4)
    teacher = TextModel.open(folder)
    student = shallower(teacher, 2)
    ids = torch.tensor([[2, 7, 9, 8, 3]])
    student.transformer.save_pretrained(tmp_path / "student")
    again = TextModel.open(tmp_path / "student", student.pooling)
    with torch.inference_mode():
        vectors = [model(ids, torch.ones_like(ids)) for model in (student, again, teacher)]
    assert torch.equal(*vectors[:2])
    assert not torch.allclose(vectors[0], vectors[2], atol=1e-3)
    with pytest.raises(ModelError, match="has 4 layers: a student of 4 would be no smaller"):
        shallower(teacher, 4)


def test_the_layers_kept_are_the_first_the_last_and_those_between(tmp_path):
    teacher = TextModel.open(SHAPES["bert"].write(tmp_path, num_hidden_layers=6))
    old, new = (dict(model.named_parameters()) for model in (teacher, shallower(teacher, 3)))
    for place, layer in enumerate((0, 2, 5)):
        name = "transformer.encoder.layer.{}.attention.self.query.weight"
        assert torch.equal(new[name.format(place)], old[name.format(layer)])


def test_principal_axes_keep_inner_products():
    random = np.random.default_rng(0)
    low = random.standard_normal((50, 3)).astype(np.float32) @ random.standard_normal((3, 8)).astype(np.float32)
    axes = principal_axes(torch.from_numpy(low), 3).numpy()
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    assert np.allclose((low @ axes) @ (low @ axes).T, low @ low.T, atol=1e-3)


def test_held_out_texts_are_of_other_items_and_never_learnt(shop):
    texts = DomainTexts.of(shop.items, TextTemplate(), share=0.25, most=10_000, seed=0)
    assert not set(texts.learn) & set(texts.held_out)
    assert len([text for text in texts.held_out if ". " in text]) == 10  # of forty items
    few = DomainTexts.of(shop.items, TextTemplate(), share=0.25, most=7, seed=0)
    assert len(few.learn) == 7
    assert few.held_out == texts.held_out


def test_the_command_says_how_near_the_student_is(teacher, tmp_path, capsys):
    words = ["distil", "--model", str(teacher), "--out", str(tmp_path / "out")]
    words += ["--size", "nano", "--prune-vocabulary", "--set", "nano.epochs=1", "--json", str(tmp_path / "result.json")]
    assert main([*words, "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "cosine to the teacher" in said
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["weights"] < metrics["teacher/weights"]
    assert f"{metrics['cosine']:.3f} after" in said
