"""Every family of Hugging Face text model: vectors, graph, both precisions, tokens, and what is refused."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from msgspec.structs import replace
from safetensors.torch import load_file
from text_models import SHAPES, TEXTS, byte_pairs, word_pieces
from torch import nn

from pocketrec import Recommender
from pocketrec.config import load_config
from pocketrec.encoder import TextEncoder
from pocketrec.errors import ModelError
from pocketrec_export import fusions
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.fusions import fuse_and_prove
from pocketrec_export.graphs.encoder import Encoder, TextModel
from pocketrec_export.graphs.pretrained import stated_pooling, write_pooling
from pocketrec_export.int8.quantise import dynamic_int8
from pocketrec_export.model import Model
from pocketrec_export.routes.route import write_graph
from pocketrec_export.shapes import GRID, TOLERANCE, prove_shapes
from pocketrec_export.text_vectors import open_tokenizer, text_vectors
from pocketrec_export.tokenizer import read_tokenizer
from pocketrec_training.train import train

MAX_TOKENS = 40
FUSIONS = {
    "bert": "attention 2 of 2, layer norms 5 of 5, GELUs 2 of 2",
    "tinybert": "attention 4 of 4, layer norms 9 of 9, GELUs 4 of 4",
    "mobilebert": "attention 0 of 2",
    "distilbert": "attention 0 of 2, layer norms 5 of 5, GELUs 2 of 2",
    "mpnet": "attention 0 of 2, layer norms 5 of 5, GELUs 2 of 2",
    "xlm-roberta": "attention 2 of 2, layer norms 5 of 5, GELUs 2 of 2",
    "gpt2": "attention 0 of 2, layer norms 5 of 5, GELUs 2 of 2",
    "qwen2": "attention 0 of 2, layer norms 5 of 5",
    "qwen3": "attention 0 of 2, layer norms 9 of 9",
    "llama": "attention 0 of 2, layer norms 5 of 5",
}
ENDS = {
    "bert": ("[CLS]", "[SEP]"),
    "tinybert": ("[CLS]", "[SEP]"),
    "mobilebert": ("[CLS]", "[SEP]"),
    "distilbert": ("[CLS]", "[SEP]"),
    "mpnet": ("<s>", "</s>"),
    "xlm-roberta": ("<s>", "</s>"),
    "gpt2": ("", ""),
    "qwen2": ("", ""),
    "qwen3": ("", "<|endoftext|>"),
    "llama": ("<|begin_of_text|>", ""),
}


class Made:
    """A family's folder, its encoder with projection, and the fused graph of it."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        SHAPES[name].write(folder)
        self.text_model = TextModel.open(folder, max_tokens=MAX_TOKENS)
        torch.manual_seed(0)
        self.encoder = Encoder(self.text_model, nn.Linear(self.text_model.width, 16)).eval()
        self.plain, self.graph = self.export(self.encoder, folder / "plain.onnx"), folder / "fused.onnx"
        self.largest = (64, 256) if self.text_model.width < 100 else (3, 256)  # a wide one would take a minute
        self.proved = fuse_and_prove(self.plain, self.graph, self.encoder, self.inputs, GRID)

    def export(self, encoder, path, route="torch"):
        example = {name: torch.from_numpy(array) for name, array in self.inputs(2, 7).items()}
        axes = ("batch", "length")
        dynamic = {**dict.fromkeys(example, axes), "vector": axes[:1]}
        return write_graph(route, encoder, example, "vector", dynamic, path).path

    def inputs(self, batch, length):
        random = np.random.default_rng([batch, length])
        lengths = random.integers(1, length + 1, size=(batch, 1))
        return {
            "input_ids": random.integers(0, self.text_model.config.vocab_size, size=(batch, length)),
            "attention_mask": (np.arange(length)[None, :] < lengths).astype(np.int64),
        }

    def padded(self):
        tokens = open_tokenizer(self.folder, MAX_TOKENS).encode_batch(list(TEXTS))
        return (torch.tensor([getattr(token, part) for token in tokens]) for part in ("ids", "attention_mask"))

    def alone(self):
        for ids, mask in zip(*self.padded(), strict=True):
            yield ids[None, : mask.sum()]


@pytest.fixture(scope="module", params=SHAPES)
def made(request, tmp_path_factory):
    return Made(request.param, tmp_path_factory.mktemp(request.param))


@torch.inference_mode()
def test_vectors_are_those_of_transformers_pooled_by_hand(made):
    model = transformers.AutoModel.from_pretrained(made.folder).eval()
    for ids in made.alone():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].numpy()
        pooled = states[-1] if SHAPES[made.name].pooling == "last" else states.mean(axis=0)
        found = made.text_model(ids, torch.ones_like(ids))[0].numpy()
        assert np.abs(found - pooled / np.linalg.norm(pooled)).max() < 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_a_padded_batch_gives_what_each_text_gives_alone(made, pooling):
    model = TextModel(made.text_model.transformer, pooling)
    together = model(*made.padded())
    for row, ids in enumerate(made.alone()):
        assert (together[row] - model(ids, torch.ones_like(ids))[0]).abs().max() < 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("name", ["xlm-roberta", "mpnet"])
def test_positions_start_after_that_of_padding(name, tmp_path):
    model = TextModel.open(SHAPES[name].write(tmp_path))
    ids = torch.tensor([[0, 7, 9, 8, 2]])
    states = model.transformer(input_ids=ids, position_ids=torch.tensor([[2, 3, 4, 5, 6]])).last_hidden_state
    mean = states[0].mean(dim=0)
    padded = torch.tensor([[0, 7, 9, 8, 2, 1, 1]])
    found = model(padded, (padded != 1).long())[0]
    assert (found - mean / mean.norm()).abs().max() < 1e-5


def test_the_fused_graph_equals_torch_at_every_batch_and_length(made):
    assert said(made.proved.fusions) == FUSIONS[made.name]
    assert made.proved.difference < TOLERANCE
    longer = ((1, 79), (5, 61), (40, 3), made.largest)
    assert prove_shapes(made.encoder, made.graph, made.inputs, longer) < TOLERANCE
    assert prove_shapes(made.encoder, made.plain, made.inputs, longer) < TOLERANCE


@pytest.mark.parametrize("route", ["dynamo", "optimum"])
def test_other_routes_give_the_same(made, tmp_path, route):
    plain = made.export(made.encoder, tmp_path / "encoder.onnx", route)
    grid = (*GRID, made.largest)
    assert prove_shapes(made.encoder, plain, made.inputs, grid) < TOLERANCE
    proved = fuse_and_prove(plain, tmp_path / "fused.onnx", made.encoder, made.inputs, grid)
    assert proved.difference < TOLERANCE
    unfused = FUSIONS[made.name].replace("attention 2", "attention 0").replace("attention 4", "attention 0")
    assert said(proved.fusions) == (FUSIONS[made.name] if route == "optimum" else unfused)


def said(fusions):
    return ", ".join(f"{name} {fused}" for name, fused in fusions.items())


@torch.inference_mode()
def test_the_runtime_reads_float32_equal_and_int8_near(made, tmp_path):
    dynamic_int8(made.graph, tmp_path / "int8.onnx", tables=True)
    expected = made.encoder(*made.padded()).numpy()
    full, small = (
        TextEncoder.open(path, made.folder / "tokenizer.json", MAX_TOKENS).encode(TEXTS, 16)
        for path in (made.graph, tmp_path / "int8.onnx")
    )
    assert np.abs(full - expected).max() < 1e-5
    assert (small * expected).sum(axis=1).min() > 0.98
    assert np.abs(full[0] - full[1]).max() > 0.01  # texts differ, so being near says something


def test_training_and_runtime_read_the_tokens_that_the_tokenizer_says(made):
    training = open_tokenizer(made.folder, MAX_TOKENS)
    training.no_padding()
    runtime = TextEncoder.open(made.graph, made.folder / "tokenizer.json", MAX_TOKENS)
    first, last = ENDS[made.name]
    for text in (*TEXTS, "red " * 100):
        token = training.encode(text)
        assert runtime.reader.ids(text) == token.ids
        assert len(token.ids) <= MAX_TOKENS
        specials = [word for word, special in zip(token.tokens, token.special_tokens_mask, strict=True) if special]
        assert specials == [word for word in (first, last) if word]
        assert token.tokens[0].startswith(first)
        assert token.tokens[-1].endswith(last)


def test_a_text_without_tokens_reads_alike_everywhere(made):
    """Only decoders have such a text: others add tokens of their own."""
    runtime = TextEncoder.open(made.graph, made.folder / "tokenizer.json", MAX_TOKENS)
    pooling = made.text_model.pooling
    for texts in (["", "red cup"], [""]):
        read = torch.from_numpy(text_vectors(texts, made.folder, pooling, MAX_TOKENS, "Reading"))
        projected = nn.functional.normalize(made.encoder.projection(read), dim=-1).detach().numpy()
        assert np.abs(projected - runtime.encode(texts, 16)).max() < 1e-5


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return Made("bert", tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("spoil", ["fails", "differs"])
def test_a_graph_that_fusing_breaks_ships_unfused(bert, tmp_path, monkeypatch, spoil):
    optimise = fusions.fuse_encoder

    def fuse(source, target, config):
        if spoil == "fails":
            return optimise(source, target, transformers.BertConfig(hidden_size=30, num_attention_heads=4))
        other = TextModel.open(SHAPES["bert"].write(tmp_path / "other", seed=1))
        shutil.copyfile(bert.export(Encoder(other, bert.encoder.projection).eval(), tmp_path / "other.onnx"), target)

    monkeypatch.setattr(fusions, "fuse_encoder", fuse)
    proved = fuse_and_prove(bert.plain, tmp_path / "encoder.onnx", bert.encoder, bert.inputs, GRID)
    assert said(proved.fusions) == "attention 0 of 2, layer norms 5 of 5, GELUs 0 of 2"
    assert (tmp_path / "encoder.onnx").read_bytes() == bert.plain.read_bytes()


@pytest.mark.parametrize("name", SHAPES)
def test_train_export_recommend(name, shop, toy_config, tmp_path):
    """Its top layer learns along."""
    folder = SHAPES[name].write(tmp_path / name)
    encoder = replace(toy_config.encoder, folder=str(folder), tune="top:1", rounds=1, steps=2, texts=8)
    fewer = {
        "training": replace(toy_config.training, epochs=2),
        "scorer_training": replace(toy_config.scorer_training, epochs=2),
    }
    train(
        shop,
        tmp_path / "model",
        replace(toy_config, encoder=encoder, **fewer),
        seed=0,
    )
    exported = export(tmp_path / "model", tmp_path / "bundle", load_config(ExportConfig, overrides=["gate.cases=20"]))
    assert exported.full.differences["encoder"] < TOLERANCE
    model, recommender = Model.load(tmp_path / "model"), Recommender.load(tmp_path / "bundle")
    assert model.card.pooling == SHAPES[name].pooling
    ids = torch.tensor([open_tokenizer(folder, 16).encode("blue rug").ids])
    expected = model.encoder(ids, torch.ones_like(ids))[0].detach().numpy()
    assert recommender.encode(["blue rug"])[0] @ expected > 0.98
    assert len(recommender.recommend(["red-1"], query="blue rug", k=5)) == 5


def test_older_vocabulary_files_become_tokenizer_json_in_the_model(toy_model, tmp_path):
    """And weights in PyTorch's own form become safetensors."""
    for name, tokenizer in (("bert", word_pieces()), ("gpt2", byte_pairs(["<|endoftext|>"]))):
        folder = SHAPES[name].write(tmp_path / name)
        (folder / "tokenizer.json").unlink()
        if name == "bert":
            vocabulary = tokenizer.get_vocab()
            (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
        else:
            tokenizer.model.save(str(folder))
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        text_model = TextModel.open(folder)
        model = Model.load(toy_model)
        encoder = Encoder(text_model, nn.Linear(text_model.width, model.card.dim))
        dataclasses.replace(
            model, card=replace(model.card, pooling=text_model.pooling), encoder=encoder, encoder_folder=folder
        ).save(tmp_path / "model")
        assert not any((tmp_path / "model" / "encoder").glob("*.bin"))
        saved = Model.load(tmp_path / "model")
        for text in TEXTS:
            ids = tokenizer.encode(text).ids
            assert read_tokenizer(saved.encoder_folder).encode(text).ids == ids
            one = torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long)
            assert torch.equal(saved.encoder.text_model(*one), text_model(*one))


def test_no_tokenizer_is_one_clear_error(tmp_path):
    folder = SHAPES["xlm-roberta"].write(tmp_path / "a")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"a has no tokenizer\.json, and none can be made"):
        open_tokenizer(folder, 16)
    (folder / "sentencepiece.bpe.model").write_bytes(b"no sentencepiece model")
    with pytest.raises(ModelError, match=r"a has no tokenizer\.json, and none can be made"):
        open_tokenizer(folder, 16)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json can't be read"):
        open_tokenizer(folder, 16)


def test_a_tokenizer_of_another_model_is_one_clear_error(tmp_path):
    folder = SHAPES["bert"].write(tmp_path, vocab_size=30)
    with pytest.raises(ModelError, match=r"gives token \d\d, the model has 30"):
        text_vectors(["red xylophone"], folder, "mean", 16, "Reading")


@pytest.mark.parametrize(
    ("stated", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "first"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_lasttoken": False}, "mean"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode": ["cls"]}, "first"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, r"cls \+ mean"),
        ({"pooling_mode": "weightedmean"}, "weightedmean"),
        ({"pooling_mode": ["cls", "mean"]}, r"cls \+ mean"),
        ({"word_embedding_dimension": 32}, "none"),
        ("mean", "can't be read"),
    ],
)
def test_pooling_is_what_sentence_transformers_states_or_a_clear_error(tmp_path, stated, pooling):
    SHAPES["bert"].write(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(stated))
    if pooling in ("mean", "first", "last"):
        assert TextModel.open(tmp_path).pooling == pooling
    else:
        with pytest.raises(ModelError, match=f"{pooling}"):
            TextModel.open(tmp_path)


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_stated_pooling_reads_what_was_written(tmp_path, pooling):
    write_pooling(tmp_path, pooling, 32)
    assert stated_pooling(tmp_path) == pooling


def small_vision():
    return transformers.ViTModel(
        transformers.ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=8, patch_size=4
        )
    )


def small_t5():
    return transformers.T5Model(
        transformers.T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    )


def small_clip():
    part = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config={**part, "vocab_size": 50}, vision_config={**part, "image_size": 8, "patch_size": 4}
        )
    )


def small_convbert():
    """Its convolutions read padding."""
    return transformers.ConvBertModel(
        transformers.ConvBertConfig(
            vocab_size=50,
            hidden_size=16,
            embedding_size=16,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=16,
        )
    )


def small_opt():
    """Its states are narrower than its layers."""
    return transformers.OPTModel(
        transformers.OPTConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, word_embed_proj_dim=8
        )
    )


def small_mistral():
    """Its tokens see the last four alone, which a mask made elsewhere doesn't know."""
    return transformers.MistralModel(
        transformers.MistralConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=16,
            sliding_window=4,
        )
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (small_vision, r"holds no text model .*\(vit\)"),
        (small_t5, r"holds an encoder-decoder \(t5\)"),
        (small_clip, r"holds no text model .*\(clip\)"),
        (small_opt, r"its states are 8 wide, its config says 16"),
        (small_mistral, r"\(mistral\) .*gives a text another vector"),
        (small_convbert, r"\(convbert\) .*gives a text another vector beside a longer one"),
    ],
)
def test_another_kind_of_model_is_one_error_that_says_what_is_supported(tmp_path, make, says):
    torch.manual_seed(0)
    make().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=says) as caught:
        TextModel.open(tmp_path)
    assert "supported are encoders such as BERT" in str(caught.value)


def test_a_folder_that_is_no_whole_text_model_is_one_clear_error(tmp_path):
    with pytest.raises(ModelError, match="nowhere is not a Hugging Face folder"):
        TextModel.open(tmp_path / "nowhere")
    folder = SHAPES["bert"].write(tmp_path / "bert")
    whole = json.loads((folder / "config.json").read_text())
    for changes, says in (
        ({"model_type": "klingon"}, r"klingon.*\. This.*; supported are"),
        ({"hidden_size": 64, "num_attention_heads": 8}, "can't be read as a text model"),
        ({"num_hidden_layers": 3}, "lacks 16 weights of a bert model, such as encoder.layer.2"),
        ({"auto_map": {"AutoConfig": "own.Config"}, "model_type": "own"}, "can't be read"),
    ):
        (folder / "config.json").write_text(json.dumps({**whole, **changes}))
        with pytest.raises(ModelError, match=says):
            TextModel.open(folder)


def test_texts_longer_than_the_model_reads_are_refused_before_any_is_read(tmp_path):
    folder = SHAPES["mpnet"].write(tmp_path)
    TextModel.open(folder, max_tokens=256)
    with pytest.raises(ModelError, match="reads 257 tokens"):
        TextModel.open(folder, max_tokens=257)
