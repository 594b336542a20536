"""The int8 forms of one graph: with all its operators, with one alone, or with all but some."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from pocketrec_export.bundle_writer import Graph
from pocketrec_export.int8.quantise import dynamic_int8, stored_float16, stored_int8, weights_by_operator
from pocketrec_export.int8.smoothing import Channels, largest_channels, smooth
from pocketrec_export.shapes import Inputs

Storage = Literal["int8", "evened int8", "float16"]
"""Of weights whose arithmetic is float32: as they were trained, or as activations are evened out for; in half the bytes
where neither is near enough."""


@dataclass(frozen=True, slots=True)
class Int8Forms:
    """Makes them, each in a file of its own; of one operator alone, the next replaces the last."""

    full: Graph
    """In float32."""
    largest: Mapping[str, Channels] | None
    """By what activations are evened out before they become int8; None where they aren't."""
    operators: Mapping[str, int]
    """How many weights each operator has that can be int8 by itself, by name; none of a graph that is only stored in
    int8, as its arithmetic is float32 already."""
    tables: bool
    """Whether embedding tables become int8 too."""

    @classmethod
    def dynamic(cls, full: Graph, tables: bool, examples: Iterable[Inputs] | None = None) -> "Int8Forms":
        """Forms whose arithmetic is int8.

        Args:
            full: In float32.
            tables: Whether embedding tables become int8 too.
            examples: Inputs by which activations are evened out; by default they stay as they are.
        """
        largest = None if examples is None else largest_channels(full.path, examples)
        return cls(full, largest, weights_by_operator(full.path, tables), tables)

    @classmethod
    def stored(cls, full: Graph) -> "Int8Forms":
        """The form that is int8 in the file alone."""
        return cls(full, None, {}, False)

    def whole(self) -> Graph:
        """All that can be int8 is."""
        path = self.full.path.with_suffix(".int8.onnx")
        if self.operators:
            self._dynamic(path)
        else:
            stored_int8(self.full.path, path)
        return self._graph(path, ())

    def alone(self, operator: str) -> Graph:
        """One operator is int8."""
        path = self.full.path.with_suffix(".alone.onnx")
        self._dynamic(path, [operator])
        return self._graph(path, [name for name in self.operators if name != operator])

    def sparing(self, spared: Collection[str], storage: Storage = "int8") -> Graph:
        """All operators compute in int8 but those named, at least one: their weights are only stored smaller.

        Args:
            spared: Names of operators.
            storage: Of their weights.
        """
        path = self.full.path.with_suffix(f".sparing-{len(spared)}-{storage}.onnx")
        rest = [name for name in self.operators if name not in spared]
        source = self._even(None if storage == "evened int8" else rest)
        if rest:
            dynamic_int8(source, path, self.tables, rest)
        store = stored_float16 if storage == "float16" else stored_int8
        store(path if rest else source, path, spared)
        return self._graph(path, spared)

    def _dynamic(self, path: Path, operators: Sequence[str] | None = None) -> None:
        dynamic_int8(self._even(operators), path, self.tables, operators)

    def _even(self, operators: Collection[str] | None) -> Path:
        """The float32 graph, what some operators read evened out, of all by default."""
        if self.largest is None:
            return self.full.path
        path = self.full.path.with_suffix(".even.onnx")
        smooth(self.full.path, path, self.largest, operators)
        return path

    def _graph(self, path: Path, spared: Collection[str]) -> Graph:
        return Graph(path, msgspec.structs.replace(self.full.facts, precision="int8", spared=tuple(spared)))
