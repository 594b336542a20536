"""Pages hold every figure of their tables, need nothing else, and let no name become markup."""

import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from made_data import dataset_of, two_worlds

from pocketrec.cli import main
from pocketrec.results import Machine, Result
from pocketrec_training.evaluate.baselines import fit_baselines
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.comparison import Compared, compare, comparison_result, lead_rows, mean_rows
from pocketrec_training.evaluate.figures import Figures, measure_all
from pocketrec_training.evaluate.html_report import comparison_page, evaluation_page
from pocketrec_training.evaluate.measurement import Yardstick
from pocketrec_training.evaluate.splits import leave_last_out
from pocketrec_training.evaluate.svg import Bar, Whisker, bars, ticks, whiskers
from pocketrec_training.evaluate.table import lead_rows as leads_of
from pocketrec_training.evaluate.table import rows, slice_rows

VOID = {"meta", "path", "rect", "circle"}
HOSTILE = """<script>alert("x")</script>&'"""


class Page(HTMLParser):
    """What a browser would find: texts by the tag around them, and that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.tags, self.rows = [], {}, [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open:
            return
        self.texts.setdefault(self.open[-1], []).append(data)
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def result():
    split = leave_last_out(dataset_of([rows.tolist() for rows in two_worlds()], 20))
    yardstick = Yardstick.of(split, np.eye(20, dtype=np.float32))
    measured = measure_all(fit_baselines(split, [f"item {row}" for row in range(20)]), yardstick, unmasked=True)
    figures = Figures.of(
        {"bundle": measured["ease"], "model": measured["item-knn"]},
        {name: measured[name] for name in ("popularity", "markov")},
    )
    return Result(
        name="evaluate",
        command="pocketrec evaluate",
        machine=Machine.here(),
        versions={"torch": "2.99.1"},
        seeds=(41, 42),
        duration_s=125.0,
        metrics=figures.metrics,
        intervals=figures.intervals,
        baselines=figures.baselines,
        notes={"dataset": "made", "dataset digest": "d1935", "split": "leave-last-out", "items": "20"} | figures.notes,
    )


def test_a_page_on_queries_speaks_of_what_was_typed_and_of_no_history(result):
    users = evaluation_page(msgspec.structs.replace(result, notes=result.notes | {"split": "leave-last-out"}))
    typed = evaluation_page(msgspec.structs.replace(result, notes=result.notes | {"split": "queries"}))
    assert "history is masked" in users
    assert "history is masked" not in typed
    assert "What people typed" in typed


def cells(lines):
    return [[cell for cell in line if cell] for line in lines]


def test_every_figure_of_the_tables_is_on_the_page(result):
    page = Page(evaluation_page(result))
    wanted = [rows(result), leads_of(result), rows(result, 10, "/unmasked"), slice_rows(result)]
    assert page.rows == [line for lines in wanted for line in cells(lines)]
    drawn = page.texts["text"]
    for name in ("bundle", "model", "popularity", "markov"):
        assert drawn.count(name) == (3 if name != "bundle" else 2)  # bars of NDCG and recall; the lead over the others
    assert f"{result.metrics['recall@10']:.4f}" in drawn


def test_what_was_measured_is_said(result):
    text = " ".join(text for texts in Page(evaluation_page(result)).texts.values() for text in texts)
    for fact in ("d1935", "leave-last-out", "41, 42", "torch 2.99.1", "2 min 5 s", result.machine.cpu, "All 20 items"):
        assert fact in text
    assert "the user's history is masked" in text
    assert "items of the history may be recommended again" in text


def test_an_evaluation_of_a_model_alone_is_a_page_too(result):
    alone = {key: value for key, value in result.metrics.items() if "/" not in key}
    page = Page(evaluation_page(msgspec.structs.replace(result, metrics=alone, baselines={})))
    assert page.rows == cells(rows(msgspec.structs.replace(result, metrics=alone, baselines={})))


def saved(path, values, dataset):
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = {"subject": "bundle", "dataset": dataset, "dataset digest": "d", "split": "leave-last-out"}
    notes["cases"] = str(len(values))
    Result(name="shop", command="evaluate", machine=Machine.here(), versions={}, notes=notes).write(path)
    CaseFile({"bundle/ndcg@10": values}, {}).save(CaseFile.beside(path))
    return str(path)


def test_a_comparison_shows_means_and_every_pair(tmp_path):
    random = np.random.default_rng(0)
    runs = [saved(tmp_path / f"{name}.json", random.random(30), "shop") for name in ("a", "b", "c")]
    compared = Compared.read(runs, "ndcg@10")
    leads = compare(compared.values)
    page = Page(comparison_page(compared, leads, "ndcg@10", comparison_result(compared, leads, "ndcg@10", 0, 0.0)))
    assert page.rows == cells([*mean_rows(compared.values, "ndcg@10"), *lead_rows(leads)])
    assert "a over b" in page.texts["text"] or "b over a" in page.texts["text"]


def test_names_never_become_markup(result, tmp_path):
    hostile = msgspec.structs.replace(
        result,
        notes=result.notes | {"dataset": HOSTILE, HOSTILE: HOSTILE},
        baselines={HOSTILE: result.baselines["markov"]},
        metrics=result.metrics
        | {f"over/{HOSTILE}/{key}": 0.5 for key in ("ndcg@10", "relative/ndcg@10", "effect", "p")}
        | {f"over/{HOSTILE}/bootstrap_p": 0.5},
        intervals=result.intervals
        | {f"{HOSTILE}/{key}{kind}": (0, 1) for key in ("ndcg@10", "recall@10") for kind in ("", "/unmasked")}
        | {f"over/{HOSTILE}/{key}": (0, 1) for key in ("ndcg@10", "relative/ndcg@10")},
    )
    compared = Compared({HOSTILE: np.ones(3), "b": np.zeros(3)}, {"dataset": HOSTILE})
    leads = compare(compared.values)
    pages = [
        evaluation_page(hostile),
        comparison_page(compared, leads, HOSTILE, comparison_result(compared, leads, HOSTILE, 0, 0.0)),
    ]
    for text in pages:
        page = Page(text)
        assert not [tag for tag, _ in page.tags if tag == "script"]
        assert any(HOSTILE in seen for seen in page.texts["h1"])
        assert any(HOSTILE in seen for seen in (*page.texts["td"], *page.texts["th"]))


def test_nothing_is_fetched_and_nothing_runs(result):
    text = evaluation_page(result)
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "use", "image"}
    assert not {name for _, attributes in page.tags for name in attributes} & {"src", "href", "onload", "onclick"}
    assert not re.search(r"https?:|url\(|@import|//", text)


def test_it_fits_a_phone_and_the_night(result):
    text = evaluation_page(result)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in Page(text).tags
    assert "@media (max-width: 600px)" in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert text.count("<table>") == text.count('<div class="scroll"')  # only these scroll sideways


@pytest.mark.parametrize("night", [False, True])
def test_text_stands_out_from_its_ground(result, night):
    """At least the 4.5 to 1 of WCAG 2.2 for text, and 3 to 1 for what is drawn and meant."""
    day, dark = re.findall(r":root \{(.*?)\}", evaluation_page(result), flags=re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", dark if night else day))
    for text in ("ink", "soft"):
        assert min(contrast(colours[text], colours[ground]) for ground in ("page", "card")) >= 4.5
    for drawn in ("subject", "other", "whisker"):
        assert contrast(colours[drawn], colours["card"]) >= 3


def contrast(one, other):
    def light(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_bars_are_as_long_as_their_figures():
    drawn = Page(bars("ndcg", [Bar("a", 0.2, (0.1, 0.3), "subject"), Bar("b", 0.1, (0.1, 0.1), "baseline")]))
    long, short = (float(attributes["width"]) for tag, attributes in drawn.tags if tag == "rect")
    assert long == pytest.approx(2 * short, abs=0.2)


def test_a_whisker_on_the_other_side_of_nought_is_drawn_there():
    lines = [Whisker("a", 0.1, (0.05, 0.2), True), Whisker("b", -0.1, (-0.2, 0.05), False)]
    drawn = Page(whiskers("leads", lines))
    (nought,) = (attributes["d"] for tag, attributes in drawn.tags if attributes.get("class") == "nought")
    at = float(re.match(r"M([\d.]+)", nought).group(1))
    left, right = sorted(float(attributes["cx"]) for tag, attributes in drawn.tags if tag == "circle")
    assert right - at == pytest.approx(at - left, abs=0.2)


@pytest.mark.parametrize(("low", "high"), [(0, 1e-6), (0, 1), (-0.3, 12), (0, 0.0444), (-1e-3, 0)])
def test_ticks_are_few_and_within(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert low - 1e-9 <= found[0] < found[-1] <= high * (1 + 1e-9) + 1e-12


def test_commands_write_pages(tmp_path, capsys):
    random = np.random.default_rng(0)
    runs = [saved(tmp_path / f"{name}.json", random.random(30), "shop") for name in ("a", "b")]
    assert main(["compare", *runs, "--html", str(tmp_path / "deep" / "page.html")]) == 0
    assert "shop: 2 runs compared by ndcg@10" in Page((tmp_path / "deep" / "page.html").read_text()).texts["h1"]
