"""A pruned vocabulary reads the domain as before, and forgets no letter."""

import pytest
import torch
from text_models import SHAPES, TEXTS
from tokenizers import Tokenizer, models

from pocketrec.errors import ModelError
from pocketrec_export.distil.vocabulary import prune
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.tokenizer import read_tokenizer

DOMAIN = TEXTS[:3]
KINDS = ("bert", "mpnet", "xlm-roberta", "gpt2", "qwen3", "llama")


def used_by(tokenizer, texts):
    return {token for text in texts for token in tokenizer.encode(text).ids}


@torch.inference_mode()
@pytest.mark.parametrize("name", KINDS)
def test_the_domain_keeps_its_tokens_and_its_vectors(name, tmp_path):
    folder = SHAPES[name].write(tmp_path)
    tokenizer = read_tokenizer(folder)
    pruned = prune(tokenizer, used_by(tokenizer, DOMAIN), general_share=0.0)
    whole, small = TextModel.open(folder), TextModel.open(folder)
    pruned.shrink(small.transformer)
    assert small.config.vocab_size == pruned.tokenizer.get_vocab_size() < tokenizer.get_vocab_size()
    assert pruned.kept == sorted(pruned.kept)
    for text in DOMAIN:
        before, after = tokenizer.encode(text), pruned.tokenizer.encode(text)
        assert after.tokens == before.tokens
        assert [pruned.kept[token] for token in after.ids] == before.ids
        vectors = [
            model(torch.tensor([encoding.ids]), torch.ones(1, len(encoding.ids), dtype=torch.long))
            for model, encoding in ((whole, before), (small, after))
        ]
        assert torch.equal(*vectors)


@pytest.mark.parametrize("name", KINDS)
def test_other_texts_stay_readable_in_shorter_pieces(name, tmp_path):
    tokenizer = read_tokenizer(SHAPES[name].write(tmp_path))
    small = prune(tokenizer, used_by(tokenizer, DOMAIN), general_share=0.0).tokenizer
    for text in TEXTS[3:]:
        before, after = tokenizer.encode(text), small.encode(text)
        assert len(after.ids) >= len(before.ids)
        assert after.tokens.count("[UNK]") == before.tokens.count("[UNK]")
        assert small.decode(after.ids) == tokenizer.decode(before.ids)


@pytest.mark.parametrize("name", KINDS)
def test_the_general_share_grows_the_vocabulary_to_the_whole(name, tmp_path):
    tokenizer = read_tokenizer(SHAPES[name].write(tmp_path))
    least, half, whole = (len(prune(tokenizer, set(), share).kept) for share in (0.0, 0.5, 1.0))
    assert least < half < whole == tokenizer.get_vocab_size()


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_the_general_share_is_the_frequent_end(name, tmp_path):
    tokenizer = read_tokenizer(SHAPES[name].write(tmp_path))
    least, half = (set(prune(tokenizer, set(), share).kept) for share in (0.0, 0.5))
    left_out = set(range(tokenizer.get_vocab_size())) - half
    assert min(left_out) > max(half - least)


def test_a_special_token_keeps_its_number_in_the_config(tmp_path):
    folder = SHAPES["gpt2"].write(tmp_path, eos_token_id=340, bos_token_id=339, pad_token_id=340)
    tokenizer = read_tokenizer(folder)
    pruned = prune(tokenizer, set(), general_share=0.0)
    model = TextModel.open(folder)
    pruned.shrink(model.transformer)
    assert model.config.eos_token_id == pruned.tokenizer.token_to_id("<|endoftext|>") == len(pruned.kept) - 1
    assert model.config.bos_token_id is None  # it named a token that is gone


def test_another_kind_of_vocabulary_is_one_clear_error():
    with pytest.raises(ModelError, match="a WordLevel vocabulary can't be pruned"):
        prune(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), set(), 0.5)


def test_a_tokenizer_of_a_larger_model_is_one_clear_error(tmp_path):
    folder = SHAPES["bert"].write(tmp_path, vocab_size=30)
    pruned = prune(read_tokenizer(folder), set(), general_share=1.0)
    with pytest.raises(ModelError, match="the model 30: they don't belong together"):
        pruned.shrink(TextModel.open(folder).transformer)
