"""Rows that can't be read: the first ends the work, or all are counted and left out."""

from dataclasses import dataclass, field

from pocketrec.errors import DataError
from pocketrec_training.prepare.options import OnError

EXAMPLES = 3
"""How many places a step names."""


@dataclass(slots=True)
class BrokenRows:
    """Tally of a table's broken rows."""

    on_error: OnError
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, place: str, count: int = 1) -> None:
        """Count broken rows.

        Args:
            place: File, line, column, value and what is wrong with it, for the first of them.
            count: How many there are.

        Raises:
            DataError: Broken rows were not to be skipped.
        """
        if self.on_error == "fail":
            raise DataError(f"{place} (--on-error skip leaves such rows out)")
        self.count += count
        if len(self.examples) < EXAMPLES:
            self.examples.append(place)


def shown(value: object) -> str:
    """A value as a message shows it: quoted, and cut when long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
