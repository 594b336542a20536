"""Progress of long work: silent by default, shown when a program asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What long-running code tells about itself."""

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""

    def note(self, text: str) -> None:
        """Show a short remark beside the bar, such as the current loss."""


class Display(Protocol):
    """Something that shows progress, such as a terminal."""

    def begin(self, what: str, total: int) -> Progress:
        """Start showing one piece of work of `total` steps."""

    def end(self, progress: Progress) -> None:
        """Stop showing it."""


class Silence:
    """The default: shows nothing."""

    def advance(self, steps: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def begin(self, what: str, total: int) -> Progress:
        """Return itself."""
        return self

    def end(self, progress: Progress) -> None:
        """Do nothing."""


_display: Display = Silence()


def show_progress_on(display: Display) -> None:
    """Send all further progress to a display; libraries never call this, programs do."""
    global _display
    _display = display


@contextmanager
def progress(what: str, total: int) -> Iterator[Progress]:
    """Announce a piece of work.

    Args:
        what: What is done, for a person: "Encoding items".
        total: Number of steps.

    Example:
        >>> with progress("Counting", total=3) as shown:
        ...     for _ in range(3):
        ...         shown.advance()
    """
    shown = _display.begin(what, total)
    try:
        yield shown
    finally:
        _display.end(shown)
