import html
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.text import clean_text
from pocketrec_training.prepare.cleaning import clean_texts, without_html

# Cn: polars' Unicode tables are newer than Python's, and may compose what Python doesn't know yet.
text = st.text(st.characters(exclude_categories=["Cs", "Cn"]))


@given(st.lists(text))
def test_texts_are_cleaned_as_the_runtime_cleans_one(texts):
    assert clean_texts(pl.Series(texts, dtype=pl.String)).to_list() == [clean_text(value) for value in texts]


@given(text.filter(lambda value: "<" not in value and "&" not in value))
def test_text_without_html_stays(value):
    assert without_html(pl.Series([value])).to_list() == [value]


@given(text)
def test_escaped_text_comes_back(value):
    assert without_html(pl.Series([html.escape(value)])).to_list() == [value]


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<p>One</p><p>two</p>", "One two"),
        ("H<sub>2</sub>O", "H2O"),
        ("a<br/>b<BR>c", "a b c"),
        ("<!-- no --><style>p { color: red }</style>yes<script>alert('<b>')</script>", "yes"),
        ("salt &amp; pepper &#233; &#xe9; &nbsp;end", "salt & pepper é é end"),
        ("x<y and z>w, 5 < 6", "x<y and z>w, 5 < 6"),
        ("AT&T; ?a=1&copy=2", "AT&T; ?a=1&copy=2"),
        ('<a href="http://x.org/?a=1">link</a>', "link"),
    ],
)
def test_html_leaves_and_what_only_looks_like_it_stays(raw, plain):
    words = re.sub(r"\s+", " ", without_html(pl.Series([raw]))[0]).strip()
    assert words == plain


def test_steps_of_cleaning_count_what_they_changed(bench, step):
    bench.file(
        "items.jsonl",
        '{"item_id": "1", "title": "  Cafe\\u0301 ", "categories": ["a &amp; b", "a & b", ""]}\n'
        '{"item_id": "2", "title": "<b>Bold</b>", "text": "fine"}\n'
        '{"item_id": "3", "title": "as it was", "text": ""}\n'
        '{"item_id": "4", "title": " \\n"}\n'
        '{"item_id": "4", "title": "again"}\n',
    )
    bench.file("interactions.csv", "user_id,item_id\nu,1\n")
    card = bench.prepare()
    assert bench.column("items", "title") == ["Café", "Bold", "as it was", "4"]
    assert bench.column("items", "text") == ["", "fine", "", ""]
    assert bench.column("items", "categories") == [["a & b"], [], [], []]
    assert step(card, "Unicode NFC", "items").changed == 2
    assert step(card, "HTML out", "items").changed == 2
    assert step(card, "empty titles", "items").examples == ("items.jsonl, line 4: item_id '4'",)
    assert step(card, "same item again", "items").dropped == 1
