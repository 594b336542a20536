"""What README.md shows is what happens.

Its Python blocks run one after the other, as a reader would type them, beside a folder `bundle/`. Every line of a
console block that begins with `$ pocketrec` is parsed by the program itself, and those that only ask a bundle are run.
"""

import re
import shlex
from pathlib import Path

import pytest

from pocketrec import cli
from pocketrec.results import Result

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
CONSOLE = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
CONFIGS = sorted((ROOT / "training" / "configs").glob("*.toml"))
LINES = re.findall(r"^\$ pocketrec (.*)$", "\n".join(CONSOLE).replace("\\\n", " "), re.MULTILINE)


def test_the_python_blocks_run_in_order(toy_bundle, tmp_path, monkeypatch):
    assert len(PYTHON) >= 2
    (tmp_path / "bundle").symlink_to(toy_bundle)
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in PYTHON:
        exec(compile(block, "README.md", "exec"), names)
    assert len(names["best"]) == 10
    assert (tmp_path / "state" / "overlay.sqlite").is_file()


@pytest.mark.parametrize("line", LINES)
def test_each_command_line_is_one_that_the_program_takes(line, toy_bundle, tmp_path, monkeypatch, capsys):
    words = shlex.split(line)
    parsed = cli._parser(words[0]).parse_args(words)
    assert parsed.command_module is not None
    if words[0] in ("recommend", "inspect", "verify"):
        (tmp_path / "bundle").symlink_to(toy_bundle)
        monkeypatch.chdir(tmp_path)
        assert cli.main(words) == 0
        assert capsys.readouterr().out


def test_every_command_of_the_program_is_shown():
    assert {shlex.split(line)[0] for line in LINES} == set(cli.COMMANDS)


def test_the_table_of_data_sets_shows_what_was_measured():
    rows = re.findall(
        r"^\| ([\w-]+) \| (0\.\d{4} \(.*?\)) \| (0\.\d{4} \(.*?\)) \| [\d., a-z]*\| (.*?) \| (\d+) min \|$",
        README,
        re.MULTILINE,
    )
    results = {path.stem: Result.read(path) for path in (ROOT / "bench" / "results").glob("*.json")}
    assert {name for name, *_ in rows} == {
        name for name in results if (ROOT / "training/configs" / f"{name}.toml").exists()
    }
    for name, masked, unmasked, best, minutes in rows:
        figures, intervals = results[name].metrics, results[name].intervals
        for shown, key in ((masked, "ndcg@10"), (unmasked, "ndcg@10/unmasked")):
            low, high = intervals[key]
            assert shown == f"{figures[key]:.4f} ({low:.4f} - {high:.4f})"
        value, baseline = max((metrics["ndcg@10"], key) for key, metrics in results[name].baselines.items())
        assert best == f"{baseline} {value:.4f}"
        assert minutes == f"{figures['train_s'] / 60:.0f}"


def test_the_table_of_sizes_shows_what_was_measured():
    rows = re.findall(
        r"^\| `(\w+)` \| .* \| ([\d.]+) \| ([\d.]+) ms \| ([\d.]+) % \| ([\d.]+) % \|$", README, re.MULTILINE
    )
    assert [size for size, *_ in rows] == ["base", "small", "tiny", "nano"]
    figures = Result.read(ROOT / "bench" / "results" / "export.json").metrics
    for size, megabytes, text, queries, cold in rows:
        assert megabytes == f"{figures[f'{size}/encoder_mb']:.1f}"
        assert text == f"{figures[f'{size}/encode_p50_ms']:.2f}"
        assert queries == f"{100 * figures[f'{size}/query_ndcg_share']:.1f}"
        assert cold == f"{100 * figures[f'{size}/cold_ndcg_share']:.1f}"
    typed = [f"{100 * figures[f'{size}/text_history_ndcg_share']:.1f}" for size, *_ in rows]
    assert f"{typed[0]}, {typed[1]}, {typed[2]} and {typed[3]} %" in README


def test_every_linked_file_exists():
    links = re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", README)
    assert links
    for link in links:
        assert (ROOT / "".join(link)).exists(), link
