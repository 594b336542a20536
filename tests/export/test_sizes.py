"""A bundle of each size: a smaller encoder, the same API, and what it costs in the manifest."""

import pytest
from msgspec.structs import replace

from pocketrec import Recommender
from pocketrec.cli import main
from pocketrec.config import load_config
from pocketrec.manifest import Manifest
from pocketrec_export.distil.distillation import DistilConfig, NanoConfig, ShallowConfig
from pocketrec_export.export import ExportConfig, export

STUDENT = DistilConfig(
    held_out=0.2,
    prune_vocabulary=("tiny", "nano"),
    general_share=0.0,
    small=ShallowConfig(layers=4),
    tiny=ShallowConfig(layers=2, epochs=10, rate=2e-3, batch=8),
    nano=NanoConfig(width=16, epochs=10, rate=1e-2, batch=8),
)


@pytest.fixture(scope="module")
def bundles(teacher, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    for size in ("base", "small", "tiny", "nano"):
        export(teacher, folder / size, replace(ExportConfig(), size=size, student=STUDENT))
    return folder


def test_each_size_is_smaller_and_says_what_it_costs(bundles):
    found = {size: Manifest.read(bundles / size) for size in ("base", "tiny", "nano")}
    sizes = [
        sum(manifest.files[name].bytes for name in ("encoder.onnx", "tokenizer.json")) for manifest in found.values()
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert {manifest.provenance["size"] for manifest in found.values()} == set(found)
    assert not [key for key in found["base"].quality if key.startswith("base/")]
    for size in ("tiny", "nano"):
        quality = found[size].quality
        assert found[size].encoder.name.endswith(f"-{size}")
        for part in ("histories", "queries"):
            base, shipped = quality[f"base/{part}/ndcg@10"], quality[f"{part}/ndcg@10/int8"]
            assert quality[f"base/{part}/loss"] == pytest.approx(1 - shipped / base)
            assert quality[f"base/{part}/loss_upper"] >= quality[f"base/{part}/loss"]
        assert quality["base/histories/loss"] == pytest.approx(0, abs=0.02)  # no text is read for a history


def test_what_is_said_of_a_student_leaves_the_rest_of_it_as_it_was():
    usual = ExportConfig().student
    changed = load_config(ExportConfig, overrides=["student.small.layers=3", "student.texts=9"]).student
    assert changed == replace(usual, texts=9, small=replace(usual.small, layers=3))
    assert load_config(DistilConfig, overrides=["tiny.epochs=1"]).tiny == replace(DistilConfig().tiny, epochs=1)


def test_small_is_the_model_itself_where_it_has_no_more_layers(bundles):
    assert (bundles / "small" / "encoder.onnx").read_bytes() == (bundles / "base" / "encoder.onnx").read_bytes()
    assert Manifest.read(bundles / "small").provenance["size"] == "small"


def test_small_has_fewer_and_narrower_layers_and_knows_every_word_still(teacher, bundles, tmp_path):
    way = ShallowConfig(layers=3, hidden_share=0.5, epochs=10, rate=2e-3, batch=8)
    export(teacher, tmp_path / "small", replace(ExportConfig(), size="small", student=replace(STUDENT, small=way)))
    base, small = (Manifest.read(folder) for folder in (bundles / "base", tmp_path / "small"))
    assert small.encoder.name == f"{base.encoder.name}-small"
    assert small.files["encoder.onnx"].bytes < base.files["encoder.onnx"].bytes
    assert small.files["tokenizer.json"] == base.files["tokenizer.json"]
    assert "attention 3 of 3" in small.provenance["fused"]
    assert small.quality["base/queries/loss"] < 0.5
    assert small.quality["base/histories/loss"] == pytest.approx(0, abs=0.02)


def test_every_size_answers(bundles):
    for size in ("base", "small", "tiny", "nano"):
        recommender = Recommender.load(bundles / size)
        assert len(recommender.recommend(["red-1"], query="blue cup", k=5)) == 5
        assert main(["verify", str(bundles / size)]) == 0


@pytest.mark.parametrize("shape", ["mobilebert", "mpnet", "xlm-roberta", "gpt2", "qwen2", "qwen3"])
def test_every_shape_of_model_exports_at_every_size(shape, model_of_shape, tmp_path):
    model = model_of_shape(shape)
    narrow = ShallowConfig(layers=1, hidden_share=0.5, epochs=1)
    student = replace(
        STUDENT, small=narrow, tiny=ShallowConfig(layers=1, epochs=1), nano=NanoConfig(width=16, epochs=1)
    )
    for size in ("base", "small", "tiny", "nano"):
        out = tmp_path / size
        # The gate is others' business: it would search for what to spare in encoders that know nothing of the shop.
        config = load_config(ExportConfig, overrides=["gate.cases=20", "gate.bound=1"])
        export(model, out, replace(config, size=size, student=student))
        recommender = Recommender.load(out)
        assert len(recommender.recommend(["red-1"], query="blue cup", k=5)) == 5
        assert Manifest.read(out).provenance["size"] == size
        assert Manifest.read(out).encoder.name.endswith(f"-{size}") == (size != "base")
        assert main(["verify", str(out)]) == 0


def test_the_command_says_what_a_size_costs(teacher, tmp_path, capsys):
    words = ["--set", "student.nano.epochs=1", "--set", "student.nano.width=8"]
    assert main(["export", "--model", str(teacher), "--out", str(tmp_path / "nano"), "--size", "nano", *words]) == 0
    said = capsys.readouterr().out
    assert "NDCG@10 of histories:" in said
    assert "lost against base" in said
