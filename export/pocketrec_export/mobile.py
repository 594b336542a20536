"""A bundle's graphs for mobile builds: in onnxruntime's own format, with the list of operators that they need.

onnxruntime compiled with `--minimal_build --include_ops_by_config required_operators.config` holds nothing else and
reads nothing but this format. What is rewritten for speed is rewritten here, as it would be when the runtime opens a
graph, but for what suits one kind of CPU alone.
"""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.tools.ort_format_model import create_config_from_models

from pocketrec.bundle import Bundle
from pocketrec.errors import ModelError
from pocketrec.graphs import SLOWER, open_session
from pocketrec.staging import check_replaceable, staged_folder
from pocketrec_export.bundle_writer import ROLES

OPERATORS = "required_operators.config"
_TOLERANCE = 1e-5
"""Largest difference of an output from the graph in the bundle."""


@dataclass(frozen=True, slots=True)
class MobileGraphs:
    """What was written."""

    bytes: Mapping[str, int]
    """Size of each graph, by role."""
    difference: float
    """The largest from what the bundle's own graphs give."""
    operators: int
    """Number of kinds of operator."""


def write_mobile_graphs(bundle: Path, out: Path) -> MobileGraphs:
    """Write `encoder.ort`, `user.ort`, `scorer.ort` and `required_operators.config`.

    Args:
        bundle: Folder of the bundle; its other files stay as they are and are needed too.
        out: Folder to write.

    Raises:
        BundleError: The bundle is none, or altered.
        DataError: Something else lies at `out`.
        ModelError: A graph gives something else in this form.
    """
    check_replaceable(out, "a folder of mobile graphs", (OPERATORS, *(f"{role}.ort" for role in ROLES)))
    manifest = Bundle.open(bundle, threads=1).manifest
    inputs, worst = _inputs(manifest.dim, len(manifest.features)), 0.0
    with staged_folder(out) as folder:
        paths = {role: folder / f"{role}.ort" for role in ROLES}
        for role, path in paths.items():
            source = bundle / manifest.graphs[role].file
            _convert(source, path)
            given, found = (open_session(file, threads=1).run(None, inputs[role])[0] for file in (source, path))
            difference = float(np.abs(given - found).max())
            if not difference <= _TOLERANCE:
                raise ModelError(
                    f"{path.name} differs from {source} by {difference:.2g}; at most {_TOLERANCE} is allowed"
                )
            worst = max(worst, difference)
        kinds = _operators(list(paths.values()))
        (folder / OPERATORS).write_text("\n".join(kinds) + "\n")
        sizes = {role: path.stat().st_size for role, path in paths.items()}
    return MobileGraphs(sizes, worst, sum(len(line.split(";")[2].split(",")) for line in kinds))


def _convert(source: Path, target: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        str(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=[*SLOWER, "NchwcTransformer"]
    )


def _operators(paths: list[Path]) -> list[str]:
    """Lines of domain, version and operators, as onnxruntime's build reads them."""
    log = logging.getLogger("ort_format_model.utils")
    level = log.level
    log.setLevel(logging.WARNING)  # it tells where it writes, and that is aside
    try:
        with tempfile.TemporaryDirectory(prefix="pocketrec-operators-") as name:
            file = Path(name) / OPERATORS
            create_config_from_models(paths, file, False)
            return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    finally:
        log.setLevel(level)


def _inputs(dim: int, features: int) -> dict[str, dict[str, NDArray[np.generic]]]:
    """Something of the right shape for each graph."""
    random = np.random.default_rng(0)
    history = random.standard_normal((1, 3, dim)).astype(np.float32) * np.float32(dim**-0.5)
    return {
        "encoder": {"input_ids": np.array([[1, 2, 3, 4]]), "attention_mask": np.ones((1, 4), np.int64)},
        "user": {"vectors": history, "kinds": np.zeros((1, 3), np.int64), "mask": np.ones((1, 3), np.float32)},
        "scorer": {
            "user": history[:, 0],
            "candidates": history,
            "features": random.random((1, 3, features), dtype=np.float32),
        },
    }
