"""Gradients through many texts at once, in the memory of a few.

A contrastive loss needs the vectors of a whole batch, but the activations behind them fill the memory. GradCache (Gao
et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup") reads all texts without
activations, takes the loss's gradient at their vectors, and reads them again, some at a time, to carry it on.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from pocketrec_training.processes import Processes

T = TypeVar("T")


class GradientCache:
    """Vectors of one batch's texts, and the way back from their gradient.

    Args:
        read: Gives the vectors [texts, width] of some texts, with gradients where they are enabled.
        texts: What to read; several processes share it among themselves.
        chunk: Texts whose activations are held at a time.
        processes: Those that share the work.

    Example:
        >>> layer = torch.nn.Linear(4, 2)
        >>> cached = GradientCache(lambda rows: layer(torch.stack(list(rows))), list(torch.ones(5, 4)), 2)
        >>> cached.vectors.sum().backward()
        >>> cached.backward()
        >>> layer.weight.grad.tolist()
        [[5.0, 5.0, 5.0, 5.0], [5.0, 5.0, 5.0, 5.0]]
    """

    def __init__(
        self, read: Callable[[Sequence[T]], Tensor], texts: Sequence[T], chunk: int, processes: Processes | None = None
    ) -> None:
        processes = processes or Processes(0, 1, None)
        self._read = read
        self._own = processes.part(len(texts))
        self._one = texts[:1]
        own = texts[self._own]
        self._chunks = [own[start : start + chunk] for start in range(0, len(own), chunk)]
        self._randomness: list[Tensor] = []
        # One chunk fits: its activations are kept, and no text is read twice.
        self._kept = self._read(self._chunks[0]) if len(self._chunks) == 1 else None
        part = self._kept.detach() if self._kept is not None else self._without_activations()
        self.vectors = processes.joined(part, len(texts)).requires_grad_()
        """Float [texts, width], a leaf: the loss leaves its gradient here."""

    def backward(self) -> None:
        """Carry the gradient that the loss left at `vectors` on into what reads."""
        if self.vectors.grad is None:
            return
        gradient = self.vectors.grad[self._own]
        if self._kept is not None:
            self._kept.backward(gradient)  # type: ignore[no-untyped-call]
            return
        start = 0
        for chunk, randomness in zip(self._chunks, self._randomness, strict=True):
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(randomness)  # the dropout of the first reading
                vectors = self._read(chunk)
            vectors.backward(gradient[start : start + len(chunk)])  # type: ignore[no-untyped-call]
            start += len(chunk)

    @torch.no_grad()
    def _without_activations(self) -> Tensor:
        # More processes than texts: another's text tells the width of no vectors at all.
        parts = [] if self._chunks else [self._read(self._one)[:0]]
        for chunk in self._chunks:
            self._randomness.append(torch.get_rng_state())
            parts.append(self._read(chunk))
        return torch.cat(parts)
