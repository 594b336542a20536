"""What goes to sentence-transformers and comes from it gives the vectors that sentence-transformers itself gives."""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Dropout,
    LayerNorm,
    Normalize,
    Pooling,
    Transformer,
)
from tokenizers import Tokenizer
from torch import nn
from toys import WORDS, write_encoder
from transformers import GPT2Config, GPT2Model

from pocketrec.cli import main
from pocketrec.errors import DataError, ModelError
from pocketrec_export.exchange import import_encoder
from pocketrec_export.exchange.writing import write_text_model
from pocketrec_export.graphs.encoder import Encoder, TextModel, stated_pooling
from pocketrec_export.model import Model
from pocketrec_export.text_vectors import open_tokenizer
from pocketrec_training.encoder.default import default_encoder
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.train import fit_model

TEXTS = ["red cup", "Small GREEN lamp, kitchen", "", "nothing it knows", " ".join(WORDS * 9), "blue"]
ODD = ["[PAD] and [MASK]", "Crème brûlée — 12 € 😀", "a\tb\n c", "teapot " * 400, "日本の茶器", "don't!!", "x" * 300]
MODES = {"first": "cls", "mean": "mean", "last": "lasttoken"}


def vectors_of(net, folder, texts, max_tokens):
    """As training and the gate read texts: one tokenizer, one batch."""
    tokens = open_tokenizer(folder, max_tokens).encode_batch(texts)
    with torch.inference_mode():
        ids, mask = (torch.tensor([getattr(each, name) for each in tokens]) for name in ("ids", "attention_mask"))
        return net.eval()(ids, mask).numpy()


def write_decoder(folder):
    """A tiny GPT-2 of random weights, whose tokenizer adds nothing to a text."""
    tokenizer = Tokenizer.from_file(str(write_encoder(folder) / "tokenizer.json"))
    tokenizer.post_processor = None
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    size = tokenizer.get_vocab_size()
    GPT2Model(GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=64)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("pooling", MODES)
@pytest.mark.parametrize("write", [write_encoder, write_decoder])
@pytest.mark.parametrize("max_tokens", [7, 60])
def test_a_written_encoder_opens_with_the_same_vectors(tmp_path, write, pooling, max_tokens):
    folder = write(tmp_path / "encoder")
    texts = [text for text in TEXTS if text or write is write_encoder]  # a decoder reads nothing in an empty text
    torch.manual_seed(1)
    encoder = Encoder(TextModel.open(folder, pooling), nn.Linear(32, 12))
    (tmp_path / "out").mkdir()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    write_text_model(tmp_path / "out", encoder.text_model, tokenizer, max_tokens, encoder.projection)
    opened = SentenceTransformer(str(tmp_path / "out"))
    assert opened.max_seq_length == max_tokens
    assert opened[1].pooling_mode == MODES[pooling]
    ours = vectors_of(encoder, folder, texts, max_tokens)
    assert np.allclose(opened.encode(texts), ours, atol=1e-5)
    assert np.allclose(opened.encode(texts, batch_size=1), ours, atol=1e-5)
    assert len(open_tokenizer(folder, 1000).encode(texts[-2]).ids) > max_tokens, "the long text wasn't cut"


def test_a_trained_model_is_written_whole_or_not_at_all(toy_model, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["model", "export-st", "--model", str(toy_model), "--out", str(out), "--json", f"{out}.json"]) == 0
    assert "16 dims" in capsys.readouterr().out
    model = Model.load(toy_model)
    ours = vectors_of(model.encoder, model.encoder_folder, TEXTS, model.card.max_tokens)
    assert np.allclose(SentenceTransformer(str(out)).encode(TEXTS), ours, atol=1e-5)
    written = json.loads(Path(f"{out}.json").read_text())
    assert written["metrics"] == {"dim": 16, "max_tokens": 16}
    before = sorted(path.name for path in out.iterdir())
    assert main(["model", "--json", f"{out}.json", "export-st", "--model", str(tmp_path), "--out", str(out)]) == 1
    assert sorted(path.name for path in out.iterdir()) == before


def test_the_default_encoder_keeps_its_vectors_on_odd_texts_both_ways(tmp_path):
    """A real tokenizer, with special tokens in its vocabulary."""
    source = default_encoder()
    taken = import_encoder(source, tmp_path / "taken")
    assert (taken.pooling, taken.max_tokens, taken.width, taken.left_out) == ("mean", 256, 384, ())
    theirs = SentenceTransformer(str(source)).encode(ODD)
    assert np.allclose(vectors_of(TextModel.open(tmp_path / "taken"), tmp_path / "taken", ODD, 256), theirs, atol=1e-5)
    assert np.allclose(SentenceTransformer(str(tmp_path / "taken")).encode(ODD), theirs, atol=1e-5)


@pytest.fixture
def saved(toy_encoder, tmp_path):
    """Write a folder with sentence-transformers itself, of the tiny language model and what is named."""

    def save(*modules, pooling="mean", max_tokens=9, name="source", **told):
        first = Transformer(str(toy_encoder), max_seq_length=max_tokens)
        folder = tmp_path / name
        SentenceTransformer(modules=[first, Pooling(32, pooling_mode=pooling), *modules], **told).save(str(folder))
        return folder

    return save


@pytest.mark.parametrize("pooling", MODES)
def test_a_folder_of_theirs_is_taken_with_its_pooling_and_length(saved, tmp_path, shop, toy_config, pooling, capsys):
    source, out = saved(Normalize(), pooling=MODES[pooling]), tmp_path / "taken"
    assert main(["model", "import-st", "--from", str(source), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"--set encoder.folder={out} --set encoder.max_tokens=9" in said
    assert "left out" not in said
    assert stated_pooling(out) == pooling
    theirs = SentenceTransformer(str(source)).encode(TEXTS)
    assert np.allclose(vectors_of(TextModel.open(out), out, TEXTS, 9), theirs, atol=1e-5)
    config = msgspec.structs.replace(
        toy_config, encoder=msgspec.structs.replace(toy_config.encoder, folder=str(out)), kind="factorisation"
    )
    card = fit_model(shop, make_split(shop, "leave-last-out"), config, seed=0).card
    assert (card.pooling, card.encoder) == (pooling, "taken")


def test_what_only_changes_lengths_or_stands_by_is_left_out_and_told(saved, tmp_path):
    source = saved(Dropout(), prompts={"query": "query: ", "document": ""})
    taken = import_encoder(source, tmp_path / "taken")
    assert [what.split(" ")[0] for what in taken.left_out] == ["2_Dropout:", "the", "prompts"]
    assert "'query: '" in taken.left_out[2]
    theirs = SentenceTransformer(str(source)).encode(TEXTS)
    lengths = np.linalg.norm(theirs, axis=1, keepdims=True)
    assert np.abs(lengths - 1).max() > 1e-2
    out = tmp_path / "taken"
    assert np.allclose(vectors_of(TextModel.open(out), out, TEXTS, 9), theirs / lengths, atol=1e-5)


def test_lower_case_and_old_tokenizer_files_are_brought_into_tokenizer_json(saved, tmp_path):
    source = saved(Normalize())
    vocabulary = Tokenizer.from_file(str(source / "tokenizer.json")).get_vocab()
    (source / "tokenizer.json").unlink()
    (source / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    old = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 40}
    (source / "tokenizer_config.json").write_text(json.dumps(old))
    out = tmp_path / "taken"
    for lower in (False, True):
        (source / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": lower}))
        assert import_encoder(source, out).max_tokens == 40
        opened = SentenceTransformer(str(source))
        assert np.allclose(vectors_of(TextModel.open(out), out, TEXTS, 40), opened.encode(TEXTS), atol=1e-5)
        assert np.allclose(*opened.encode(["GREEN lamp", "green lamp"])) == lower


def test_a_dense_layer_is_left_out_only_when_asked(saved, toy_model, tmp_path):
    source = saved(Dense(32, 8, activation_function=nn.Identity()), Normalize())
    with pytest.raises(ModelError, match=r"2_Dense.*32 -> 8, Identity.*--without-dense"):
        import_encoder(source, tmp_path / "taken")
    taken = import_encoder(source, tmp_path / "taken", without_dense=True)
    assert taken.width == 32
    assert "2_Dense (32 -> 8, Identity)" in taken.left_out[0]
    plain = SentenceTransformer(str(saved(Normalize(), name="plain"))).encode(TEXTS)
    out = tmp_path / "taken"
    assert np.allclose(vectors_of(TextModel.open(out), out, TEXTS, 9), plain, atol=1e-5)
    # There and back: a model's encoder without its projection is the language model that it was trained on.
    assert main(["model", "export-st", "--model", str(toy_model), "--out", str(tmp_path / "there")]) == 0
    import_encoder(tmp_path / "there", tmp_path / "back", without_dense=True)
    model = Model.load(toy_model)
    before = vectors_of(model.encoder.text_model, model.encoder_folder, TEXTS, 16)
    assert np.allclose(vectors_of(TextModel.open(tmp_path / "back"), tmp_path / "back", TEXTS, 16), before, atol=1e-6)


@pytest.mark.parametrize(
    ("modules", "told", "says"),
    [
        ([Dense(32, 8)], {}, "Tanh"),
        ([Dense(32, 32, activation_function=nn.Identity()), Normalize()], {}, "Identity"),
        ([LayerNorm(32), Normalize()], {}, "LayerNorm"),
        ([], {"pooling": "max"}, "max"),
        ([], {"pooling": "weightedmean"}, "weightedmean"),
        ([], {"pooling": ("cls", "mean")}, "cls and mean"),
        ([], {"prompts": {"query": "ask: "}, "default_prompt_name": "query"}, "'ask: '"),
        ([], {"truncate_dim": 8}, "8 numbers"),
    ],
)
def test_what_a_text_model_cannot_hold_is_refused(saved, tmp_path, modules, told, says):
    source = saved(*modules, **told)
    with pytest.raises(ModelError) as error:
        import_encoder(source, tmp_path / "taken")
    assert says in str(error.value)
    assert str(source) in str(error.value)
    assert not (tmp_path / "taken").exists()


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("modules.json", lambda modules: modules[:1], "begins with Transformer"),
        ("modules.json", lambda modules: modules[1:], "begins with Pooling"),
        ("modules.json", lambda modules: [{**modules[0], "type": "custom_st.Transformer"}, *modules[1:]], "never run"),
        ("modules.json", lambda modules: [{"name": "0"}], "type"),
        ("modules.json", lambda modules: 7, "modules.json"),
        ("1_Pooling/config.json", lambda config: [config], "JSON object"),
        ("1_Pooling/config.json", lambda config: {}, "nothing"),
        ("sentence_bert_config.json", lambda config: config | {"transformer_task": "fill-mask"}, "fill-mask"),
        ("sentence_bert_config.json", lambda config: config | {"processing_kwargs": {"text": {"a": 1}}}, "processing"),
        ("tokenizer_config.json", lambda config: config | {"truncation_side": "left"}, "left"),
        ("adapter_config.json", lambda config: {}, "adapter"),
    ],
)
def test_a_folder_of_an_unknown_form_is_refused(saved, tmp_path, file, change, says):
    source = saved(Normalize())
    path = source / file
    path.write_text(json.dumps(change(json.loads(path.read_text()) if path.exists() else {})))
    with pytest.raises(ModelError, match=says):
        import_encoder(source, tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_foreign_folders_are_left_alone(saved, toy_model, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="other"):
        import_encoder(saved(Normalize()), other)
    with pytest.raises(ModelError, match=r"modules\.json"):
        import_encoder(toy_model, tmp_path / "taken")
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


def test_a_tokenizer_that_can_not_pad_is_told(toy_encoder, tmp_path):
    folder = shutil.copytree(toy_encoder, tmp_path / "encoder")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["[EMPTY]"] = content["model"]["vocab"].pop("[PAD]")
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "out").mkdir()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match="pad"):
        write_text_model(tmp_path / "out", TextModel.open(folder), tokenizer, 9)
