"""Progress: long work fills a bar on a terminal, and writes lines into a log."""

import io
import re
import sys
import time

import pytest

from pocketrec import progress as progress_module
from pocketrec.cli import COMMANDS, main
from pocketrec.progress import Silence, progress
from pocketrec_export.progress_display import Log, Terminal, show_on_stderr


class Screen(io.StringIO):
    """What a terminal was sent."""

    def isatty(self):
        return True


def a_screen(monkeypatch, kind=Screen):
    """Put in place within a test: pytest puts back its own before each."""
    monkeypatch.setattr("pocketrec.progress._display", Silence())
    monkeypatch.delenv("RANK", raising=False)
    screen = kind()
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
    show_on_stderr()
    count()
    assert "Counting:  50%" in screen.getvalue()
    assert "cosine 0.5" in screen.getvalue()


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end_of_long_work(monkeypatch):
    log = a_screen(monkeypatch, io.StringIO)
    monkeypatch.setattr("pocketrec_export.progress_display.EVERY", 0.2)
    show_on_stderr()
    with progress("Training", total=1000) as shown:
        for step in range(1000):
            time.sleep(0.001)
            shown.advance()
            shown.note(f"loss {step}")
    with progress("Saving", total=2) as shown:
        shown.advance(2)
    lines = log.getvalue().splitlines()
    assert 3 <= len(lines) <= 12  # of a second, at most one in 0.2 s; busy machines take longer
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d Training: [\d,]+ of 1,000(, loss \d+)?(; \d+ s)?", line) for line in lines)
    assert "Training: 1,000 of 1,000, loss 999; " in lines[-1]


@pytest.mark.parametrize("kind", [Screen, io.StringIO])
def test_of_several_processes_the_first_alone_shows(monkeypatch, kind):
    screen = a_screen(monkeypatch, kind)
    monkeypatch.setattr("pocketrec_export.progress_display.EVERY", 0.2)
    monkeypatch.setenv("RANK", "1")
    show_on_stderr()
    count()
    assert screen.getvalue() == ""


@pytest.mark.parametrize("command", sorted(name for name, entry in COMMANDS.items() if entry.extra))
def test_every_long_command_shows_its_progress_unless_told_not_to(command, monkeypatch):
    monkeypatch.setattr(f"{COMMANDS[command].module}.add_arguments", lambda parser: None)
    displays = []
    monkeypatch.setattr(f"{COMMANDS[command].module}.run", lambda arguments: displays.append(progress_module._display))
    for kind in (Screen, io.StringIO):
        a_screen(monkeypatch, kind)
        assert main([command, "--quiet"]) == 0
        assert main([command]) == 0
    assert [type(display) for display in displays] == [Silence, Terminal, Silence, Log]
