from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketrec.cli import main
from pocketrec.errors import DataError
from pocketrec_training.prepare.numbers import recognise_time
from pocketrec_training.prepare.order import in_order, ties
from pocketrec_training.prepare.raw_table import LINE

MOMENT = 1_291_191_960


def seconds(values, time_format=""):
    frame = pl.LazyFrame({"t": values}).with_row_index(LINE, 1)
    form = recognise_time(frame, "t", pl.String(), time_format)
    return form.name, frame.select(form.seconds(pl.col("t"))).collect().to_series().to_list()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (str(MOMENT), "seconds"),
        (f"{MOMENT}.75", "seconds"),
        (f"{MOMENT}123", "milliseconds"),
        (f"{MOMENT}123456", "microseconds"),
        (f"{MOMENT}123456789", "nanoseconds"),
        ("2010-12-01T08:26:00Z", "ISO dates"),
        ("2010-12-01 08:26", "ISO dates"),
        ("2010-12-01T09:26:00.123+01:00", "ISO dates"),
        ("2010-12-01T03:26:00-0500", "ISO dates"),
        ("2010-12-01 10:26:00+02", "ISO dates"),
    ],
)
def test_forms_of_time_are_recognised(value, name):
    assert seconds([value]) == (name, [MOMENT])


@settings(deadline=None)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_iso_dates_mean_what_python_says(moment):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    assert seconds([moment.isoformat()])[1] == [int(moment.timestamp())]


def test_broken_values_do_not_decide_the_form():
    assert seconds(["noon", str(MOMENT), "noon", "noon"]) == ("seconds", [None, MOMENT, None, None])
    assert seconds(["noon", "2010-12-01T08:26:00Z", "noon"]) == ("ISO dates", [None, MOMENT, None])


def test_a_day_alone_is_its_midnight():
    assert seconds(["1970-01-02"])[1] == [86400]


def test_other_forms_are_given():
    assert seconds(["12/1/2010 8:26"], "%m/%d/%Y %H:%M")[1] == [MOMENT]
    assert seconds(["01.02.1970"], "%d.%m.%Y")[1] == [31 * 86400]


@pytest.mark.parametrize("kind", [pl.Datetime("ns"), pl.Datetime("ms", "UTC"), pl.Datetime("us", "Asia/Tokyo")])
def test_dates_of_parquet_are_read(bench, kind):
    moments = pl.Series([datetime(2010, 12, 1, 8, 26, tzinfo=UTC)]).cast(kind)
    table = pl.DataFrame({"user_id": [1.0], "item_id": [2], "timestamp": moments})
    table.write_parquet(bench.source / "interactions.parquet")
    bench.prepare()
    assert bench.table("interactions").row(0) == ("1", "2", MOMENT, 1.0)


def test_an_ambiguous_date_asks_for_its_form(bench):
    path = bench.file("log.csv", "user_id,item_id,date\nu,x,12/1/2010\n")
    with pytest.raises(DataError, match=r"line 2, column 'date' holds '12/1/2010'.*--time-format"):
        bench.prepare(path)


def test_events_are_sorted_by_time_and_then_by_place(bench, step):
    path = bench.file("log.csv", "user_id,item_id,timestamp\nb,x,5\na,x,9\na,y,3\na,z,9\nb,y,5\n")
    card = bench.prepare(path)
    assert list(zip(bench.column("interactions", "user_id"), bench.column("interactions", "item_id"), strict=True)) == [
        ("a", "y"),
        ("a", "x"),
        ("a", "z"),
        ("b", "x"),
        ("b", "y"),
    ]
    assert step(card, "put in order").changed == 1
    assert (card.ties.users, card.ties.tied_last_two, card.ties.unordered) == (2, 2, True)


def test_without_times_the_order_of_rows_stays(bench):
    path = bench.file("log.csv", "user_id,item_id,timestamp\nb,x,\na,z,\nb,a,\na,b,\n")
    card = bench.prepare(path)
    assert bench.column("interactions", "item_id") == ["z", "b", "x", "a"]
    assert not card.ties.timestamps
    assert not card.ties.unordered


events = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1)


@settings(deadline=None)
@given(events)
def test_ties_are_those_that_counting_by_hand_finds(log):
    table = pl.DataFrame(log, schema={"user_id": pl.String, "timestamp": pl.Int64}, orient="row")
    ordered, _ = in_order(table.with_row_index(LINE).cast({LINE: pl.Int64}))
    times = {user: sorted(t for u, t in log if u == user) for user, _ in log}
    long = [t for t in times.values() if len(t) > 1]
    found = ties(ordered)
    assert (found.users, found.tied_last_two) == (len(long), sum(t[-1] == t[-2] for t in long))


def test_compact_dates_are_no_seconds():
    assert seconds(["20240131", "19700102"]) == ("dates as %Y%m%d", [1_706_659_200, 86_400])
    assert seconds(["20240131", "20241399"])[0] == "seconds"


def test_a_moment_outside_the_calendar_is_none():
    assert seconds([str(MOMENT), str(MOMENT), "-90000000000"])[1][2] is None


@pytest.mark.parametrize(
    ("days", "advice"),
    [
        ([1, 1, 1, 1], "the last is chance: figures say"),
        ([1, 2, 3, 3], "train with --set split=last-basket or --set split=global-time"),
    ],
)
def test_where_the_last_is_chance_only_splits_that_can_cut_are_advised(tmp_path, capsys, days, advice):
    rows = [f"{user},{place},2024-01-{day + user % 8:02}" for user in range(40) for place, day in enumerate(days)]
    (tmp_path / "interactions.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    assert main(["prepare", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert advice in capsys.readouterr().out
