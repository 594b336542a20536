"""Small things with known answers: a language model of random weights, and a shop whose visitors have one taste."""

import csv
import json

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

COLOURS = ("red", "green", "blue", "grey")
THINGS = ("cup", "lamp", "chair", "clock", "spoon", "plate", "vase", "rug", "bowl", "shelf")
WORDS = (*COLOURS, *THINGS, "kitchen", "living", "small", "large")


def write_encoder(folder, hidden=32, layers=2, seed=0):
    """A Hugging Face folder with a tiny BERT of random weights that knows the shop's words."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def write_shop(folder, users=120, seed=0):
    """items.jsonl and interactions.csv: forty items, ten of each colour; every visitor takes one colour, in order.

    After item i of a colour comes item i + 1, so the next item is known.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "items.jsonl").open("w") as file:
        for colour in COLOURS:
            for number, thing in enumerate(THINGS):
                item = {
                    "item_id": f"{colour}-{number}",
                    "title": f"{colour} {thing}",
                    "categories": ["kitchen" if number < 5 else "living"],
                    "price": 5 + number,
                }
                file.write(json.dumps(item) + "\n")
    with (folder / "interactions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "timestamp"])
        for user in range(users):
            colour, start = COLOURS[user % 4], int(random.integers(0, 10))
            for step in range(7):
                rows.writerow([f"u{user}", f"{colour}-{(start + step) % 10}", 1_700_000_000 + 1000 * user + step])
    return folder
