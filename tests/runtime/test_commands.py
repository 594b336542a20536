"""`recommend` and `inspect` print what the library says, and write it as JSON."""

import json

import pytest
from fakes import make_bundle, shop_items

from pocketrec import Item, Recommender
from pocketrec.cli import main
from pocketrec.commands.recommend import _readings, _split


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("commands") / "bundle")


def run(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def printed(out):
    """Ids of the numbered lines."""
    lines = [line.split() for line in out.splitlines()]
    return [words[2] for words in lines if words and words[0].isdigit()]


def test_recommend_prints_rank_score_id_and_title(bundle, capsys):
    status, out, _ = run(capsys, "recommend", "--bundle", bundle, "--history", "i0, i5", "-k", 2)
    first, second = Recommender.load(bundle).recommend(["i0", "i5"], k=2)
    assert status == 0
    assert f"   1   {first.score:.3f}  {first.id:<12} {first.item.title}" in out
    assert printed(out) == [first.id, second.id]
    assert "took  i5           green lamp" in out


def test_an_unknown_id_of_the_history_is_said(bundle, capsys):
    _, out, _ = run(capsys, "recommend", "--bundle", bundle, "--history", "gone")
    assert "gone         (not in the catalogue)" in out
    assert printed(out)[0] == "i0"


@pytest.mark.parametrize(
    ("conditions", "arguments"),
    [
        (["colour=red"], {"where": {"colour": "red"}}),
        (["colour=red|grey"], {"where": {"colour": ["red", "grey"]}}),
        (["price=5"], {"where": {"price": 5}}),
        (["price=5|7.0"], {"where": {"price": [5, 7]}}),
        (["price=3..6"], {"where": {"price": {"min": 3, "max": 6}}}),
        (["price=..2"], {"where": {"price": {"max": 2}}}),
        (["price=12.."], {"where": {"price": {"min": 12}}}),
        (["sale=true"], {"where": {"sale": True}}),
        (["sale=True"], {"where": {"sale": True}}),
        (["sale=false", "colour=blue"], {"where": {"sale": False, "colour": "blue"}}),
        (["colour=blue..green"], {"where": {"colour": {"min": "blue", "max": "green"}}}),
    ],
    ids=str,
)
def test_conditions_of_the_command_line_are_those_of_the_library(bundle, capsys, conditions, arguments):
    words = [word for condition in conditions for word in ("--where", condition)]
    status, out, _ = run(capsys, "recommend", "--bundle", bundle, "-k", 99, *words)
    expected = [line.id for line in Recommender.load(bundle).recommend(k=99, **arguments)]
    assert status == 0
    assert printed(out) == expected
    assert expected


def test_the_other_options_reach_the_library(bundle, capsys):
    words = ["--history", "i0,i1", "--query", "blue", "--context", "grey rug", "-k", 4, "--exclude", "i8,i9"]
    _, out, _ = run(capsys, "recommend", "--bundle", bundle, *words, "--allow-seen", "--diversity", 0.7)
    expected = Recommender.load(bundle).recommend(
        ["i0", "i1"],
        query="blue",
        context="grey rug",
        k=4,
        exclude=["i8", "i9"],
        allow_seen=True,
        diversity=0.7,
    )
    assert printed(out) == [line.id for line in expected]


def test_explain_prints_the_reasons(bundle, capsys):
    _, out, _ = run(capsys, "recommend", "--bundle", bundle, "--history", "i4", "-k", 1, "--explain")
    assert "bought together i4 (1.000)" in out
    assert "similar i4 (0.500)" in out


def test_an_answer_without_items_is_said(bundle, capsys):
    status, out, _ = run(capsys, "recommend", "--bundle", bundle, "--where", "colour=purple")
    assert (status, out) == (0, "No item meets the conditions.\n")
    history = ",".join(item.id for item in shop_items())
    status, out, _ = run(capsys, "recommend", "--bundle", bundle, "--history", history)
    assert out.endswith("No item meets the conditions, or all that do are in the history (--allow-seen).\n")


def test_recommend_reads_the_overlay(bundle, tmp_path, capsys):
    recommender = Recommender.load(bundle, overlay=tmp_path)
    recommender.upsert([Item(id="new", title="blue blue rug")])
    recommender.close()
    asked = ["recommend", "--bundle", bundle, "--query", "blue blue rug", "-k", 3]
    assert "new" not in printed(run(capsys, *asked)[1])
    assert "new" in printed(run(capsys, *asked, "--overlay", tmp_path)[1])


def test_recommend_writes_json(bundle, tmp_path, capsys):
    run(capsys, "recommend", "--bundle", bundle, "--history", "i4", "-k", 3, "--explain", "--json", tmp_path / "a.json")
    written = json.loads((tmp_path / "a.json").read_text())["recommendations"]
    answer = Recommender.load(bundle).recommend(["i4"], k=3, explain=True)
    assert [line["id"] for line in written] == [line.id for line in answer]
    assert written[0]["item"]["title"] == answer[0].item.title
    assert written[0]["reasons"][0]["kind"] == "bought_together"


@pytest.mark.parametrize("condition", ["colour", "=red", "colour=", "size=5", "price=1..z"])
def test_a_condition_that_is_none_gives_one_line(bundle, capsys, condition):
    status, out, err = run(capsys, "recommend", "--bundle", bundle, "--where", condition)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert condition.split("=")[0] in err


def test_inspect_says_what_the_bundle_holds(bundle, tmp_path, capsys):
    status, out, _ = run(capsys, "inspect", bundle, "--json", tmp_path / "a.json")
    assert status == 0
    assert "shop: 16 items" in out
    for word in ("all hashes right", "fp32 by design", "HNSW M 4", "decay 0.5", "constructed"):
        assert word in out
    assert json.loads((tmp_path / "a.json").read_text())["items"] == 16


def test_two_conditions_on_one_field_are_refused_rather_than_one_lost(bundle, capsys):
    words = ("recommend", "--bundle", bundle, "--where", "price=3..", "--where", "price=..6")
    status, _, err = run(capsys, *words)
    assert status == 1
    assert "names 'price' twice" in err


def test_a_folder_without_an_overlay_is_refused_rather_than_made(bundle, tmp_path, capsys):
    status, _, err = run(capsys, "recommend", "--bundle", bundle, "--overlay", tmp_path / "typo")
    assert status == 1
    assert "holds no overlay" in err
    assert not (tmp_path / "typo").exists()


def test_words_of_the_command_line_stand_for_what_they_spell():
    assert _readings("12345678901234571") == ["12345678901234571", 12345678901234571]
    assert _readings("TRUE") == ["TRUE", True]
    assert _readings("red") == ["red"]
    assert _split('a, "never, taken",b,') == ["a", "never, taken", "b"]
