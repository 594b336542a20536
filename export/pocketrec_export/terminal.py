"""Progress bars on a terminal."""

import os
import sys

from tqdm import tqdm

from pocketrec.progress import Progress, show_progress_on


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


def show_on_terminal() -> None:
    """Show all further progress as bars, if standard error is a terminal; of several processes the first alone does."""
    if sys.stderr.isatty() and os.environ.get("RANK", "0") == "0":
        show_progress_on(Terminal())
