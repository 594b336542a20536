"""Hugging Face folders of every family's shape: random weights, a few layers, and a tokenizer of the family's kind."""

from dataclasses import dataclass
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from toys import COLOURS, THINGS, WORDS

TEXTS = (
    "red cup",
    "a large green lamp for the living room",
    "blue",
    "Grey chair, small. kitchen",
    "two red plates and one vase",
    "an unheard-of thing",
)
"""Some in the vocabulary, some not; one to ten words."""
_CORPUS = [*TEXTS, *(f"{colour} {thing}" for colour in COLOURS for thing in THINGS), *WORDS]
_LETTERS = "abcdefghijklmnopqrstuvwxyz.,-"


def word_pieces(specials=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), ends=("[CLS]", "[SEP]")):
    """As BERT's: lower case, the shop's words, single letters for the rest."""
    pieces = [*specials, *WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(specials))
    return _enclosed(tokenizer, *ends)


def mpnet_pieces():
    """WordPiece with RoBERTa's special tokens, padding at 1."""
    return word_pieces(("<s>", "<pad>", "</s>", "[UNK]", "<mask>"), ("<s>", "</s>"))


def byte_pairs(specials, first="", last=""):
    """Byte-level BPE, as the decoders' ones: no text is unknown, and few add a token of their own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.add_special_tokens(list(specials))
    return _enclosed(tokenizer, first, last)


def unigrams():
    """SentencePiece's Unigram as XLM-RoBERTa has it: padding at 1."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(_CORPUS, trainer)
    return _enclosed(tokenizer, "<s>", "</s>")


def _enclosed(tokenizer, first, last):
    """Puts the family's special tokens around each text; "" for none."""
    around = [token for token in (first, last) if token]
    if around:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}".strip(),
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in around],
        )
    return tokenizer


@dataclass(frozen=True)
class Shape:
    """A family: its configuration, its tokenizer, and the pooling that it is used with."""

    name: str
    config: type
    settings: dict[str, Any]
    tokenizer: Any
    pooling: str = "mean"

    def write(self, folder, seed=0, noise=0.05, **changes):
        """A folder as `save_pretrained` writes it, with tokenizer.json; the more noise, the more a layer does."""
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = self.tokenizer()
        tokenizer.save(str(folder / "tokenizer.json"))
        config = self.config(**{"vocab_size": tokenizer.get_vocab_size(), **self.settings, **changes})
        torch.manual_seed(seed)
        model = transformers.AutoModel.from_config(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                # Trained weights are larger than fresh ones, and no bias or norm is just 0 or 1.
                weight.add_(torch.randn_like(weight) * (0.1 if weight.ndim < 2 or "embedding" in name else noise))
        model.save_pretrained(folder)
        return folder


_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 256,
}
_ROBERTA = {**_BERT, "max_position_embeddings": 258, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
_LLAMA = {**_BERT, "num_key_value_heads": 2}
SHAPES = {
    shape.name: shape
    for shape in (
        Shape("bert", transformers.BertConfig, _BERT, word_pieces),
        Shape(
            "tinybert",
            transformers.BertConfig,
            {**_BERT, "hidden_size": 312, "num_hidden_layers": 4, "num_attention_heads": 12, "intermediate_size": 1200},
            word_pieces,
        ),
        Shape(
            "mobilebert",
            transformers.MobileBertConfig,
            {**_BERT, "embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2},
            word_pieces,
        ),
        Shape(
            "distilbert",
            transformers.DistilBertConfig,
            {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 256},
            word_pieces,
        ),
        Shape("mpnet", transformers.MPNetConfig, _ROBERTA, mpnet_pieces),
        Shape("xlm-roberta", transformers.XLMRobertaConfig, _ROBERTA, unigrams),
        Shape(
            "gpt2",
            transformers.GPT2Config,
            {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
            lambda: byte_pairs(["<|endoftext|>"]),
            "last",
        ),
        Shape("qwen2", transformers.Qwen2Config, _LLAMA, lambda: byte_pairs(["<|endoftext|>", "<|im_end|>"]), "last"),
        Shape(
            "qwen3",
            transformers.Qwen3Config,
            {**_LLAMA, "head_dim": 16},
            lambda: byte_pairs(["<|endoftext|>", "<|im_end|>"], last="<|endoftext|>"),
            "last",
        ),
        Shape(
            "llama",
            transformers.LlamaConfig,
            _LLAMA,
            lambda: byte_pairs(["<|begin_of_text|>", "<|end_of_text|>"], first="<|begin_of_text|>"),
            "last",
        ),
    )
}
