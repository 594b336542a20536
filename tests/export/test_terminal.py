"""Progress: long work fills a bar on a terminal, and nothing is shown anywhere else."""

import io
import sys
import time

import pytest

from pocketrec import progress as progress_module
from pocketrec.cli import COMMANDS, main
from pocketrec.progress import Silence, progress
from pocketrec_export.terminal import Terminal, show_on_terminal


class Screen(io.StringIO):
    """What a terminal was sent."""

    def isatty(self):
        return True


def a_screen(monkeypatch):
    """Put in place within a test: pytest puts back its own before each."""
    monkeypatch.setattr("pocketrec.progress._display", Silence())
    monkeypatch.delenv("RANK", raising=False)
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def count():
    with progress("Counting", total=2) as shown:
        time.sleep(2.1)  # bars of short work never appear
        shown.advance()
        shown.note("cosine 0.5")
        shown.advance()


def test_long_work_fills_a_bar(monkeypatch):
    screen = a_screen(monkeypatch)
    show_on_terminal()
    count()
    assert "Counting:  50%" in screen.getvalue()
    assert "cosine 0.5" in screen.getvalue()


def test_of_several_processes_the_first_alone_shows(monkeypatch):
    screen = a_screen(monkeypatch)
    monkeypatch.setenv("RANK", "1")
    show_on_terminal()
    count()
    assert screen.getvalue() == ""


@pytest.mark.parametrize("command", sorted(name for name, entry in COMMANDS.items() if entry.extra))
def test_every_long_command_shows_its_progress_unless_told_not_to(command, monkeypatch):
    monkeypatch.setattr(f"{COMMANDS[command].module}.add_arguments", lambda parser: None)
    a_screen(monkeypatch)
    bars = []
    monkeypatch.setattr(
        f"{COMMANDS[command].module}.run", lambda arguments: bars.append(isinstance(progress_module._display, Terminal))
    )
    assert main([command, "--quiet"]) == 0
    assert main([command]) == 0
    assert bars == [False, True]
