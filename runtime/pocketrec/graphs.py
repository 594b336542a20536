"""ONNX sessions, opened the same way everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pocketrec.errors import BundleError
from pocketrec.signed_weights import signed_is_faster, with_signed_weights
from pocketrec.threads import available_cores

INPUTS = {
    "encoder": ("input_ids", "attention_mask"),
    "user": ("vectors", "kinds", "mask"),
    "scorer": ("user", "candidates", "features"),
}
"""Names of each graph's inputs, by role."""

SLOWER = ["SkipLayerNormFusion"]
"""Rewritings of onnxruntime that cost more than they save: one fused operator takes three times as long as an
addition and a layer normalisation (docs/decisions/0007)."""


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Open a graph for low latency: one operator after the other, threads that don't spin when idle.

    Weights of int8 products get the sign that this CPU multiplies fastest.

    Args:
        path: ONNX file, or what onnxruntime made of one (.ort).
        threads: Threads inside one operator, at most what this process may use.

    Raises:
        ValueError: `threads` is less than 1.
        BundleError: onnxruntime can't read the file.
    """
    if threads < 1:
        raise ValueError(f"threads={threads}: at least 1 is needed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(threads, available_cores())
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        signed = path.suffix == ".onnx" and signed_is_faster()  # an .ort file has another form
        model = with_signed_weights(path.read_bytes()) if signed else str(path)
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
        )
    except Exception as error:  # onnxruntime raises its own kinds, all of them Exception
        raise BundleError(f"{path} can't be opened: {error}") from None


@dataclass(frozen=True, slots=True)
class Graph:
    """One opened graph of a bundle, with one output."""

    session: onnxruntime.InferenceSession

    @classmethod
    def open(cls, path: Path, role: str, widths: Mapping[str, int], threads: int = 1) -> "Graph":
        """Open a graph and check that it has its role's inputs.

        Args:
            path: ONNX file.
            role: Key of `INPUTS`.
            widths: What the last axis of some inputs, or of the output, must measure, by their names.
            threads: Threads inside one operator.

        Raises:
            BundleError: The file can't be read, or its inputs or their widths are others.
        """
        session = open_session(path, threads)
        found = tuple(value.name for value in session.get_inputs())
        if found != INPUTS[role]:
            raise BundleError(f"{path} has inputs {', '.join(found)}; a {role} graph has {', '.join(INPUTS[role])}")
        for value in (*session.get_inputs(), *session.get_outputs()):
            width = value.shape[-1]
            if isinstance(width, int) and width != widths.get(value.name, width):
                raise BundleError(f"{path}: {value.name} is {width} wide, not {widths[value.name]}")
        return cls(session)

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """The output for one feed."""
        output: NDArray[np.float32] = self.session.run(None, inputs)[0]
        return output
