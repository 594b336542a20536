"""Progress for a person: bars on a terminal, lines with the time of day in a log."""

import os
import sys
import time

from tqdm import tqdm

from pocketrec.progress import Progress, show_progress_on

EVERY = 30.0
"""Seconds from one line of a log to the next, and the least that a piece of work takes whose end is told."""


class Bar:
    """One line that fills up; it appears only when the work takes over two seconds."""

    def __init__(self, what: str, total: int) -> None:
        self._bar = tqdm(total=total, desc=what, delay=2, leave=False, file=sys.stderr)

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        self._bar.update(steps)

    def note(self, text: str) -> None:
        """Show a remark behind the bar."""
        self._bar.set_postfix_str(text)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


class Terminal:
    """Shows each piece of work as a bar."""

    def begin(self, what: str, total: int) -> Progress:
        """Start a bar."""
        return Bar(what, total)

    def end(self, progress: Progress) -> None:
        """End it."""
        if isinstance(progress, Bar):
            progress.close()


class Counted:
    """A piece of work that a log tells of."""

    def __init__(self, log: "Log", what: str, total: int) -> None:
        self._log, self._what, self._total = log, what, total
        self._done, self._note, self._started = 0, "", time.monotonic()

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        self._done += steps
        self._log.tell_if_due(self._words)

    def note(self, text: str) -> None:
        """Add a remark to the next line."""
        self._note = text
        self._log.tell_if_due(self._words)

    def close(self) -> None:
        """Tell how long it took, if that was long."""
        took = time.monotonic() - self._started
        if took >= EVERY:
            self._log.tell(f"{self._words}; {took:,.0f} s")

    @property
    def _words(self) -> str:
        said = f"{self._what}: {self._done:,} of {self._total:,}"
        return f"{said}, {self._note}" if self._note else said


class Log:
    """Tells of long work in lines, for what runs in the background: one each half minute, and one at each end."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def begin(self, what: str, total: int) -> Progress:
        """Start counting."""
        return Counted(self, what, total)

    def end(self, progress: Progress) -> None:
        """Stop."""
        if isinstance(progress, Counted):
            progress.close()

    def tell_if_due(self, words: str) -> None:
        """Write a line, unless the last one is still new."""
        if time.monotonic() - self._told >= EVERY:
            self.tell(words)

    def tell(self, words: str) -> None:
        """Write a line."""
        self._told = time.monotonic()
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
        sys.stderr.flush()


def show_on_stderr() -> None:
    """Show all further progress on standard error; of several processes the first alone does."""
    if os.environ.get("RANK", "0") == "0":
        show_progress_on(Terminal() if sys.stderr.isatty() else Log())
