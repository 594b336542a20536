"""A tiny bundle whose right answers are known.

Eight words stand for the eight axes of the space, so a text's vector is the unit sum of its words. A user vector is the
unit sum of the history's vectors, the context's, and twice the query's. A score is user vector times item vector plus
the damped votes of the neighbours. Item `i` of a history votes for item `i + 1` alone, and item `i` was seen
`len(items) - 1 - i` times: the first is the most popular, the last is cold.
"""

from dataclasses import replace
from pathlib import Path

import hnswlib
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from pocketrec import Item
from pocketrec.catalogue import write_catalogue
from pocketrec.features import FEATURES
from pocketrec.manifest import (
    FORMAT,
    EncoderFacts,
    GraphFacts,
    IndexFacts,
    Manifest,
    NeighbourFacts,
    describe_files,
)
from pocketrec.neighbours import Neighbours
from pocketrec.newcomers import settled
from pocketrec.text import TextTemplate, clean_text

COLOURS = ("red", "green", "blue", "grey")
THINGS = ("cup", "lamp", "chair", "rug")
WORDS = (*COLOURS, *THINGS)
DIM = len(WORDS)
HISTORY, CANDIDATES, DECAY, M = 6, 5, 0.5, 4
NEWCOMER_LENGTH = 0.9
NEWCOMER_SCALE = 0.25


def shop_items(count=16):
    """`red cup`, `red lamp`, ... `grey rug`, and round again; each has a colour, a price that grows, and a room."""
    items = []
    for row in range(count):
        colour, thing = COLOURS[row // 4 % 4], THINGS[row % 4]
        items.append(
            Item(
                id=f"i{row}",
                title=f"{colour} {thing}",
                categories=("kitchen" if thing == "cup" else "living", "all"),
                attributes={"colour": colour, "price": float(row), "sale": row % 2 == 0},
            )
        )
    return items


def text_vector(text):
    """What the encoder makes of a text."""
    vector = np.zeros(DIM, np.float32)
    for word in clean_text(text).replace(".", " ").replace(",", " ").split():
        if word in WORDS:
            vector[WORDS.index(word)] += 1
    return vector / max(np.linalg.norm(vector), 1e-12)


def newcomer(text, folder):
    """Where a bundle places a new item: at its text, drawn towards known items."""
    known = np.load(folder / "popularity.npy") > 0
    return settled(text_vector(text)[None], np.load(folder / "vectors.npy"), known, NEWCOMER_LENGTH)[0]


def newcomer_votes(title, items=16):
    """What each item of the shop says of one that is new: half the encoder's view, half the words that they share."""
    titles = [item.title for item in shop_items(items)]
    read = np.stack([text_vector(text) for text in [*titles, title]])
    read -= read[:-1].mean(axis=0)
    read /= np.linalg.norm(read, axis=1, keepdims=True)
    shared = [len({*text.split()} & {*title.split()}) / 2 for text in titles]  # all words are equally rare
    cubes = ((np.maximum(read[:-1] @ read[-1], 0) + shared) / 2) ** 3
    cubes[-1] = 0  # nobody took the last
    return NEWCOMER_SCALE * cubes / np.sqrt(cubes.sum())


def make_bundle(folder, items=None, vectors=None, walk=False, weights=None, words=WORDS):
    """Write the bundle.

    Args:
        folder: To make.
        items: Of the catalogue; the sixteen of the shop by default.
        vectors: Unit rows; those of the titles by default.
        walk: Whether the figures in the manifest make the HNSW index the cheaper way to search.
        weights: Dense matrix of the neighbours' weights instead of the ring.
        words: Of the encoder, by axis; in another order it is another encoder.
    """
    items = shop_items() if items is None else items
    if vectors is None:
        vectors = np.stack([text_vector(item.title) for item in items])
    folder = Path(folder)
    folder.mkdir(parents=True)
    write_catalogue(folder / "items.sqlite", items)
    np.save(folder / "vectors.npy", vectors.astype(np.float32))
    np.save(folder / "texts.npy", np.stack([text_vector(item.title) for item in items]).astype(np.float16))
    np.save(folder / "popularity.npy", np.arange(len(items) - 1, -1, -1, dtype=np.int32))
    np.save(folder / "trend.npy", np.zeros(len(items), np.float32))
    neighbours = ring(len(items)) if weights is None else neighbours_of(weights)
    neighbours.save(folder / "neighbours")
    followers = ring(len(items), step=2)
    followers.save(folder / "followers")
    build_index(vectors).save_index(str(folder / "index.hnsw"))
    tokenizer(words).save(str(folder / "tokenizer.json"))
    for name, model in (("encoder", encoder_graph()), ("user", user_graph()), ("scorer", scorer_graph())):
        onnx.save(model, folder / f"{name}.onnx")
    seal(folder, items=len(items), walk=walk, per_item=neighbours.per_item)
    return folder


def seal(folder, items, walk=False, per_item=1, template=None):
    """Write the manifest of what lies in the folder."""
    template = TextTemplate(fields=("title",)) if template is None else template
    facts = {
        role: GraphFacts(file=f"{role}.onnx", precision="fp32", route="by hand", opset=17, reason="fp32 by design")
        for role in ("encoder", "user", "scorer")
    }
    Manifest(
        format=FORMAT,
        name="shop",
        items=items,
        dim=DIM,
        history=HISTORY,
        newcomer_length=NEWCOMER_LENGTH,
        candidates=CANDIDATES,
        encoder=EncoderFacts(name="words", max_tokens=4, template=template, template_digest=template.digest),
        graphs=facts,
        scorer="dot",
        features=FEATURES,
        index=IndexFacts(
            m=M,
            ef_construction=50,
            ef=CANDIDATES,
            recall=1.0,
            step_rows=0.0 if walk else 1e9,
        ),
        neighbours=NeighbourFacts(per_item=per_item, decay=DECAY, newcomer_scale=NEWCOMER_SCALE),
        followers=NeighbourFacts(per_item=1, decay=DECAY, newcomer_scale=NEWCOMER_SCALE),
        quality={},
        provenance={"dataset": "constructed"},
        files=describe_files(folder),
    ).write(folder)


def ring(count, step=1, decay=DECAY):
    """Item `i` votes for item `i + step`; the last for the first."""
    return Neighbours.of_rows(
        [(np.array([(row + step) % count]), np.array([1.0])) for row in range(count)], decay=decay
    )


def neighbours_of(weights, decay=DECAY):
    """Row `i` of a dense matrix says what an item `i` of a history votes for."""
    return Neighbours.of_rows([(np.flatnonzero(row), row[np.flatnonzero(row)]) for row in weights], decay)


def turned_round(table):
    """int8 gone bad: a single step is left, and what was said for an item counts against it."""
    steps = np.sign(-table.weights).astype(np.int8)
    return replace(table, weights=steps, scales=np.ones(len(table), np.float32))


def random_vectors(count, seed=0, dim=DIM):
    """Unit rows."""
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def build_index(vectors, m=M):
    """An HNSW index of all vectors, always the same one."""
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=m, ef_construction=50, random_seed=0)
    index.add_items(vectors, np.arange(len(vectors)), num_threads=1)
    return index


def tokenizer(words=WORDS):
    """Knows the words; anything else is `[UNK]`, whose vector is zero."""
    vocabulary = {word: number for number, word in enumerate((*words, "[UNK]"))}
    built = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return built


def encoder_graph():
    """Unit sum of one axis a word."""
    table = np.vstack([np.eye(DIM), np.zeros(DIM)]).astype(np.float32)
    return _graph(
        "encoder",
        [
            helper.make_node("Gather", ["table", "input_ids"], ["words"]),
            helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["real", "last"], ["column"]),
            helper.make_node("Mul", ["words", "column"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "tokens"], ["sum"], keepdims=0),
            helper.make_node("LpNormalization", ["sum"], ["vector"], axis=-1, p=2),
        ],
        {"input_ids": (TensorProto.INT64, ["B", "T"]), "attention_mask": (TensorProto.INT64, ["B", "T"])},
        ("vector", ["B", DIM]),
        {"table": table, "last": np.array([-1]), "tokens": np.array([1])},
    )


def user_graph():
    """Unit sum of the tokens; a query counts twice."""
    return _graph(
        "user",
        [
            helper.make_node("Equal", ["kinds", "query"], ["asked"]),
            helper.make_node("Cast", ["asked"], ["extra"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["extra", "one"], ["weight"]),
            helper.make_node("Mul", ["weight", "mask"], ["kept_weight"]),
            helper.make_node("Unsqueeze", ["kept_weight", "last"], ["column"]),
            helper.make_node("Mul", ["vectors", "column"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "tokens"], ["sum"], keepdims=0),
            helper.make_node("LpNormalization", ["sum"], ["user"], axis=-1, p=2),
        ],
        {
            "vectors": (TensorProto.FLOAT, ["B", "L", DIM]),
            "kinds": (TensorProto.INT64, ["B", "L"]),
            "mask": (TensorProto.FLOAT, ["B", "L"]),
        },
        ("user", ["B", DIM]),
        {
            "query": np.array(1),
            "one": np.array(1, np.float32),
            "last": np.array([-1]),
            "tokens": np.array([1]),
        },
    )


def scorer_graph(width=None):
    """User vector times candidate plus the feature `neighbours`."""
    return _graph(
        "scorer",
        [
            helper.make_node("Unsqueeze", ["user", "last"], ["column"]),
            helper.make_node("MatMul", ["candidates", "column"], ["products"]),
            helper.make_node("Squeeze", ["products", "last"], ["similarity"]),
            helper.make_node("Gather", ["features", "neighbours"], ["votes"], axis=2),
            helper.make_node("Add", ["similarity", "votes"], ["scores"]),
        ],
        {
            "user": (TensorProto.FLOAT, ["B", DIM]),
            "candidates": (TensorProto.FLOAT, ["B", "N", DIM]),
            "features": (TensorProto.FLOAT, ["B", "N", width]),
        },
        ("scores", ["B", "N"]),
        {"last": np.array([-1]), "neighbours": np.array(FEATURES.index("neighbours"))},
    )


def _graph(name, nodes, inputs, output, constants):
    model = helper.make_model(
        helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(key, kind, shape) for key, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
            [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return model
