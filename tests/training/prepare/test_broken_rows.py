import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pocketrec.errors import DataError
from pocketrec_training.dataset import Dataset
from pocketrec_training.prepare import PrepareConfig, find_source, prepare

HEADER = b"user_id,item_id,timestamp,rating\n"


def chains_add_up(card):
    rows = {}
    for step in card.steps:
        assert step.rows_in == rows.get(step.table, step.rows_in), f"{step.table}: {step.name}"
        assert 0 <= step.dropped <= step.rows_in
        assert 0 <= step.changed <= step.rows_in
        assert len(step.examples) <= 3
        rows[step.table] = step.rows_in - step.dropped
    assert rows.get("interactions", 0) == card.interactions
    assert rows["items"] == card.items


good = st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(0, 5), st.sampled_from(["1", "2.5", ""]))
broken = st.sampled_from(
    [
        b",x,1,1",
        b"a,,1,1",
        b"  ,x,1,1",
        b"a,x,1",
        b"a,x,1,1,1",
        b"a,x,noon,1",
        b"a,x,1,good",
        b"a,x,1,inf",
        b"a,x,1e300,1",
        b"\xff\xfe,x,1,1",
        b'a,"x,1,1',
        b'"a"b,x,1,1',
        b"just words",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(st.one_of(good, broken), max_size=25))
@example(rows=[b"a,x,1e300,1", b"a,x,1e300,1", ("a", "y", 0, "1"), ("a", "y", 1, "1")])
def test_each_broken_row_is_counted_and_every_good_row_is_kept(rows):
    lines = [row if isinstance(row, bytes) else ",".join(map(str, row)).encode() for row in rows]
    sound = {row for row in rows if not isinstance(row, bytes)}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "log.csv").write_bytes(HEADER + b"\n".join(lines) + b"\n")
        options = PrepareConfig(on_error="skip")
        if not sound:
            with pytest.raises(DataError, match="no interactions are left"):
                prepare(find_source(place / "log.csv"), place / "out", options)
            return
        card = prepare(find_source(place / "log.csv"), place / "out", options)
        data = Dataset.load(place / "out")
    chains_add_up(card)
    events = [step for step in card.steps if step.table == "interactions"]
    assert events[0].rows_in == len(rows)
    assert events[0].dropped == sum(isinstance(row, bytes) for row in rows)
    moments = {(user, item, moment) for user, item, moment, _ in sound}
    assert card.interactions == len(moments)
    assert (
        {data.items[row].id for row in data.rows}
        == {item for _, item, _ in moments}
        == {item.id for item in data.items}
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(junk=st.lists(st.binary(max_size=40), max_size=8), form=st.sampled_from(["csv", "jsonl", "tsv", "csv.gz"]))
def test_no_bytes_crash_prepare(junk, form):
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        path = place / f"log.{form}"
        start = b'{"user_id": "a", "item_id": "x"}\n' if form == "jsonl" else HEADER
        path.write_bytes((b"" if form.endswith("gz") else start) + b"\n".join(junk))
        try:
            card = prepare(find_source(path), place / "out", PrepareConfig(on_error="skip"))
        except DataError:
            assert [path.name for path in place.iterdir()] == [path.name]
        else:
            chains_add_up(card)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,x,1", "line 3: 3 fields instead of 4 in 'a,x,1'"),
        ("a,,1,1", "line 3, column 'item_id' is empty"),
        ("a,x,noon,1", "line 3, column 'timestamp' holds 'noon', which is not a time"),
        ("a,x,1,good", "line 3, column 'rating' holds 'good', which is not a number"),
        ('a,"x,1,1', "line 3: bad quotes"),
        (b"a,\xe9,1,1", "line 3, column 'item_id': b'\\xe9' is not utf-8"),
    ],
)
def test_the_first_broken_row_is_named_and_nothing_is_written(bench, line, words):
    data = line if isinstance(line, bytes) else line.encode()
    path = bench.file("log.csv", HEADER + b"b,y,1,1\n" + data + b"\nc,z,1,1\n")
    with pytest.raises(DataError) as caught:
        bench.prepare(path)
    assert f"log.csv, {words}" in str(caught.value)
    assert list(bench.out.parent.iterdir()) == [bench.source]


def test_an_unclosed_quote_costs_one_row_alone(bench, step):
    path = bench.file("log.csv", 'user_id,item_id\na,"x\n' + "".join(f"u{i},y\n" for i in range(500)))
    card = bench.prepare(path, on_error="skip")
    assert step(card, "broken rows").examples[0].startswith("log.csv, line 2: ")
    assert card.interactions == 500


def test_quoted_fields_hold_separators_quotes_and_line_ends(bench):
    bench.file("items.csv", 'item_id,title\n1,"a ""big"", red\nball"\n2,"plain"\n')
    bench.file("interactions.csv", "user_id,item_id\nu,1\n")
    bench.prepare()
    assert bench.column("items", "title") == ['a "big", red ball', "plain"]


def test_lines_after_a_record_of_two_lines_keep_their_numbers(bench):
    bench.file("items.csv", 'item_id,title\n1,"two\nlines"\n,nothing\n')
    bench.file("interactions.csv", "user_id,item_id\nu,1\n")
    with pytest.raises(DataError, match=r"items\.csv, line 4, column 'item_id' is empty"):
        bench.prepare()


def test_broken_json_lines_are_named(bench, step):
    path = bench.file(
        "log.jsonl", '{"user_id": "a", "item_id": "x"}\n{"user_id": \n[1]\n{"user_id": "b", "item_id": 7}\n'
    )
    with pytest.raises(DataError, match=r"log\.jsonl, line 2: .* is not a JSON object"):
        bench.prepare(path)
    card = bench.prepare(path, on_error="skip")
    assert (step(card, "broken rows").rows_in, step(card, "broken rows").dropped) == (4, 2)
    assert bench.column("interactions", "item_id") == ["x", "7"]


def test_a_gzip_file_that_ends_early_is_an_error(bench):
    path = bench.file("log.csv.gz", HEADER + b"a,x,1,1\n" * 5000)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a whole gzip file"):
        bench.prepare(path)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=6,
)
names = ("item_id", "title", "text", "categories", "price", "")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(items=st.lists(st.dictionaries(st.sampled_from(names), values), min_size=1, max_size=6))
def test_no_json_value_in_any_column_crashes_prepare(items):
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "items.jsonl").write_text("".join(json.dumps({"item_id": "x"} | row) + "\n" for row in items))
        (place / "interactions.csv").write_text("user_id,item_id\nann,x\n")
        try:
            card = prepare(find_source(place), place / "out", PrepareConfig(on_error="skip"))
        except DataError as error:
            assert re.search("no (items|interactions) are left|can't tell which column", str(error))  # noqa: PT017
        else:
            chains_add_up(card)
            assert all(item.title for item in Dataset.load(place / "out").items)


def test_values_of_a_column_may_change_their_kind_between_batches(bench, monkeypatch):
    monkeypatch.setattr("pocketrec_training.prepare.json_lines._BATCH", 1)
    rows = ['"a": 1, "b": "x"', '"a": 2.5, "b": ["y", "z"]', '"b": null, "c": true', '"a": null, "c": "no"']
    bench.file("items.jsonl", "".join(f'{{"item_id": {i}, {row}}}\n' for i, row in enumerate(rows)))
    bench.file("interactions.csv", "user_id,item_id\nann,0\n")
    bench.prepare(columns={"items.categories": "b"})
    assert bench.column("items", "item_id") == ["0", "1", "2", "3"]
    assert bench.column("items", "a") == [1.0, 2.5, None, None]
    assert bench.column("items", "categories") == [["x"], ["y", "z"], [], []]
    assert bench.column("items", "c") == [None, None, "true", "no"]


@pytest.mark.parametrize("value", ["1e39", "nan1", "1_000", "0x10"])
def test_a_rating_is_a_number_that_fits(bench, value):
    path = bench.file("log.csv", f"user_id,item_id,rating\na,x,{value}\n")
    with pytest.raises(DataError, match=f"column 'rating' holds '{value}', which is not a number"):
        bench.prepare(path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(bench):
    path = bench.file("log.csv", b"\xef\xbb\xbfuser_id,item_id\r\na,x\r\n\r\nb,y\r\n")
    bench.prepare(path)
    assert bench.table("interactions").select("user_id", "item_id").rows() == [("a", "x"), ("b", "y")]


def test_another_encoding_is_read_when_it_is_named(bench):
    bench.file("items.csv", "item_id,title\n1,Café\n".encode("cp1252"))
    bench.file("interactions.csv", "user_id,item_id\nu,1\n")
    bench.prepare(encoding="cp1252")
    assert bench.column("items", "title") == ["Café"]


def test_a_table_in_utf_16_is_no_text_in_utf_8(bench):
    path = bench.file("log.csv", "user_id,item_id\na,x\n".encode("utf-16"))
    with pytest.raises(DataError, match="is this a text file"):
        bench.prepare(path)
