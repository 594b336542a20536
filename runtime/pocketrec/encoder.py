"""The encoder at run time: texts to unit vectors, without transformers."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec.graphs import Graph
from pocketrec.text import clean_text
from pocketrec.token_reader import TokenReader

_CACHED_TEXTS = 10_000
_CACHED_CHARACTERS = 1000
"""Longer texts aren't kept: callers' texts must not fill the memory."""


class TextEncoder:
    """Tokenizer and graph, with the vectors of recent texts at hand. Safe to use from several threads.

    Texts are encoded one by one and without padding: activations of an int8 graph get one scale a run, so in a
    batch the same text would have another vector with other mates.
    """

    def __init__(self, graph: Graph, reader: TokenReader) -> None:
        self._graph = graph
        self.reader = reader
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def open(cls, graph: Path, tokenizer: Path, max_tokens: int, threads: int = 1) -> "TextEncoder":
        """Open both files.

        Args:
            graph: ONNX file.
            tokenizer: JSON file of the tokenizers package.
            max_tokens: Longer texts are cut here.
            threads: For the graph.

        Raises:
            BundleError: One of them can't be read.
        """
        return cls(Graph.open(graph, "encoder", {}, threads), TokenReader.open(tokenizer, max_tokens))

    def encode(self, texts: Sequence[str], dim: int) -> NDArray[np.float32]:
        """Unit vectors, float32 [texts, dim]."""
        vectors = np.zeros((len(texts), dim), np.float32)
        for place, text in enumerate(texts):
            vectors[place] = self.encode_one(text)
        return vectors

    def encode_one(self, text: str) -> NDArray[np.float32]:
        """Unit vector of one text, float32 [dim], read-only."""
        text = clean_text(text)
        with self._lock:
            vector = self._cache.get(text)
            if vector is not None:
                self._cache.move_to_end(text)
                return vector
        vector = self.run(self.reader.ids(text))
        vector.flags.writeable = False
        if len(text) <= _CACHED_CHARACTERS:
            with self._lock:
                self._cache[text] = vector
                if len(self._cache) > _CACHED_TEXTS:
                    self._cache.popitem(last=False)
        return vector

    def run(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Unit vector of one tokenised text, float32 [dim], not cached."""
        ids = np.array([tokens], dtype=np.int64)
        vector: NDArray[np.float32] = self._graph.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        return vector
