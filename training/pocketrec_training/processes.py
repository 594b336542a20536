"""Training in several processes: each takes a part of every batch, and all take the same step."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that `accelerate launch` started; usually it is alone.

    Every process draws the same batch from the same seed, works on its own part, and sums gradients with the others
    before a step, so that n processes take the very step of one.
    """

    rank: int
    count: int
    _accelerator: "Accelerator | None"

    @classmethod
    def here(cls) -> "Processes":
        """What the environment says."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(0, 1, None)
        from accelerate import Accelerator  # takes seconds to import

        accelerator = Accelerator(cpu=True)
        return cls(accelerator.process_index, accelerator.num_processes, accelerator)

    def part(self, length: int) -> slice:
        """This process's run of `length` things; parts differ by one at most."""
        return slice(length * self.rank // self.count, length * (self.rank + 1) // self.count)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over processes."""
        if self._accelerator is None:
            return
        for parameter in parameters:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = self._accelerator.reduce(gradient, reduction="sum")

    def joined(self, part: Tensor, length: int) -> Tensor:
        """All processes' parts of `length` rows, in order."""
        if self._accelerator is None:
            return part
        whole = part.new_zeros((length, *part.shape[1:]))
        whole[self.part(length)] = part
        summed: Tensor = self._accelerator.reduce(whole, reduction="sum")
        return summed

    def wait(self) -> None:
        """Until all processes are here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()
