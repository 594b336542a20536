"""The `nano` student: a static table, started from what the teacher makes of each token alone."""

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from pocketrec.progress import progress
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.static import StaticEmbedding

_BATCH = 256
_SMOOTHING = 1e-3
"""The `a` of SIF, Arora et al. 2017 ("A simple but tough-to-beat baseline for sentence embeddings")."""


def principal_axes(vectors: Tensor, width: int) -> Tensor:
    """The `width` directions that keep most of the vectors' inner products: float [dims, width], orthonormal columns.

    Vectors aren't centred: what counts is their cosine, measured from the origin.
    """
    _, _, axes = torch.linalg.svd(vectors.T @ vectors)
    kept: Tensor = axes[:width].T
    return kept.contiguous()


def static_student(teacher: TextModel, tokenizer: Tokenizer, axes: Tensor, counts: NDArray[np.int64]) -> TextModel:
    """A table of the teacher's vectors for each token alone, on the axes, with weights that fall with frequency.

    Args:
        teacher: Reads each token between the special tokens that its tokenizer puts around a text.
        tokenizer: Of the teacher.
        axes: Float [teacher's width, student's width].
        counts: How often each token occurs in the domain, int64 [tokens].
    """
    vectors = _token_vectors(teacher, tokenizer, len(counts)) @ axes
    shares = torch.from_numpy(counts / max(1, counts.sum())).float()
    return TextModel(StaticEmbedding.of(vectors, _SMOOTHING / (_SMOOTHING + shares)), "mean")


@torch.inference_mode()
def _token_vectors(teacher: TextModel, tokenizer: Tokenizer, count: int) -> Tensor:
    """What the teacher makes of each token: float [tokens, teacher's width]."""
    sample = tokenizer.encode("a")
    own = [place for place, special in enumerate(sample.special_tokens_mask) if not special]
    before, after = sample.ids[: own[0]], sample.ids[own[-1] + 1 :]
    vectors = torch.zeros(count, teacher.width)
    with progress("Reading tokens", total=count) as shown:
        for start in range(0, count, _BATCH):
            tokens = range(start, min(count, start + _BATCH))
            ids = torch.tensor([[*before, token, *after] for token in tokens])
            vectors[start : start + _BATCH] = teacher(ids, torch.ones_like(ids))
            shown.advance(len(tokens))
    return vectors
