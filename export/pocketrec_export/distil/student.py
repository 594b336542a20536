"""The `small` and `tiny` students: some of the teacher's layers, and all else of it."""

import copy

import numpy as np

from pocketrec.errors import ModelError
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.layers import layers_of


def shallower(teacher: TextModel, layers: int) -> TextModel:
    """A copy with fewer layers, evenly chosen, the first and the last among them (Sanh et al. 2019, "DistilBERT").

    Args:
        teacher: Stays as it is.
        layers: To keep.

    Raises:
        ModelError: The teacher has no more layers than that.
        ConfigError: Its layers can't be told from its modules.
    """
    transformer = copy.deepcopy(teacher.transformer)
    config = transformer.config
    depth = getattr(config, "num_hidden_layers", 0)
    if layers >= depth:
        raise ModelError(
            f"the teacher ({config.model_type}) has {depth} layers: a student of {layers} would be no smaller; "  # type: ignore[union-attr]
            "set SIZE.layers to fewer (student.SIZE.layers with export), or take --size nano"
        )
    stack = layers_of(transformer)
    chosen = np.linspace(0, depth - 1, layers).round().astype(int).tolist()
    for place in reversed([place for place in range(depth) if place not in chosen]):
        del stack[place]
    config.num_hidden_layers = layers  # type: ignore[union-attr]
    kinds = getattr(config, "layer_types", None)
    if kinds:
        config.layer_types = [kinds[i] for i in chosen]  # type: ignore[union-attr]
    return TextModel(transformer, teacher.pooling).eval()
