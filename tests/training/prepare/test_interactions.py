from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketrec.errors import DataError
from pocketrec_training.dataset import Dataset
from pocketrec_training.prepare.interactions import COLUMNS, minimum_counts, share_of_users


def test_duplicate_rows_are_counted_and_dropped(bench, step):
    path = bench.file("log.csv", "user_id,item_id,timestamp,rating\na,x,1,5\na,x,1,5\na,x,2,5\na,x,1,4\nb,x,1,5\n")
    card = bench.prepare(path)
    exact, moment = step(card, "exact duplicates"), step(card, "same user, item and time")
    assert (exact.dropped, exact.examples) == (1, ("log.csv, line 3: user_id 'a', item_id 'x'",))
    assert moment.dropped == 1
    assert bench.table("interactions").rows() == [("a", "x", 1, 4.0), ("a", "x", 2, 5.0), ("b", "x", 1, 5.0)]


def test_repeated_events_are_kept_on_request(bench):
    path = bench.file("log.csv", "user_id,item_id\na,x\na,y\na,x\n")
    assert bench.prepare(path).interactions == 2
    bench.prepare(path, duplicates="keep")
    assert bench.column("interactions", "item_id") == ["x", "y", "x"]


def test_rows_with_an_unknown_item_are_counted_and_dropped(bench, step):
    bench.file("items.csv", "item_id,title\nx,X\ncold,C\n")
    bench.file("interactions.csv", "user_id,item_id\na,x\na,y\nb, x \n")
    card = bench.prepare()
    assert step(card, "unknown items").examples == ("interactions.csv, line 3: user_id 'a', item_id 'y'",)
    assert (card.users, card.items, card.interactions) == (2, 2, 2)


def test_ids_that_never_match_are_an_error_that_shows_one(bench):
    bench.file("items.csv", "item_id,title\n1,X\n2,Y\n")
    bench.file("interactions.csv", "user_id,item_id\na,item-1\n")
    with pytest.raises(DataError, match=r"no interactions are left: 'unknown items' dropped 1 of 1, .*'item-1'"):
        bench.prepare()


def core_by_hand(pairs, user, item):
    while True:
        users, items = Counter(u for u, _ in pairs), Counter(i for _, i in pairs)
        kept = [(u, i) for u, i in pairs if users[u] >= user and items[i] >= item]
        if kept == pairs:
            return kept
        pairs = kept


pairs = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), max_size=40)


@settings(deadline=None)
@given(pairs, st.integers(1, 4), st.integers(1, 4))
def test_minimum_counts_leave_the_largest_core(log, user, item):
    table = pl.DataFrame(log, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")
    assert minimum_counts(table, user, item).rows() == core_by_hand(log, user, item)


def test_items_below_the_minimum_leave_the_catalogue_and_are_counted(bench, step):
    bench.file("items.csv", "item_id,title\nx,X\ny,Y\nz,Z\n")
    bench.file("interactions.csv", "user_id,item_id\na,x\nb,x\nb,y\n")
    card = bench.prepare(min_item_count=2)
    assert bench.column("items", "item_id") == ["x"]
    assert (step(card, "minimum counts").dropped, step(card, "no interactions left", "items").dropped) == (
        1,
        2,
    )
    assert card.interactions == 2


logs = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), max_size=60)


def users_of(log, share):
    return share_of_users(pl.DataFrame({"user_id": log}, schema={"user_id": pl.String}), share)["user_id"].to_list()


@given(logs, st.data(), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_share_keeps_the_same_users_in_any_order_and_a_larger_one_keeps_them_too(log, data, share, other):
    kept = users_of(log, share)
    assert kept == [user for user in log if user in set(kept)]  # all rows of a user, or none
    shuffled = data.draw(st.permutations(log))
    assert sorted(users_of(shuffled, share)) == sorted(kept)
    assert set(users_of(log, min(share, other))) <= set(users_of(log, max(share, other)))
    alone = [user for user in log if users_of([user], share)]
    assert alone == kept  # who else is there doesn't matter


def test_a_share_is_that_share_and_named_users_are_in_it_on_every_machine():
    log = [f"user-{number}" for number in range(10_000)]
    for share in (0.01, 0.2, 0.5, 0.99):
        assert len(users_of(log, share)) == pytest.approx(10_000 * share, abs=4 * 100 * (share * (1 - share)) ** 0.5)
    assert users_of(log, 1.0) == log
    assert users_of(log[:12], 0.33) == ["user-1", "user-2", "user-5"]


def test_a_share_of_users_leaves_items_and_the_core_as_they_are(bench, step):
    users = [f"u{number}" for number in range(40)]
    bench.file("items.csv", "item_id,title\nx,X\ny,Y\nrare,R\ncold,C\n")
    rows = "".join(f"{user},x,1\n{user},y,2\n" for user in users)
    bench.file("interactions.csv", f"user_id,item_id,timestamp\n{rows}u0,rare,3\n")
    bench.prepare(min_item_count=2)
    whole = bench.column("items", "item_id")
    card = bench.prepare(min_item_count=2, users_share=0.25)
    kept = users_of(users, 0.25)
    assert bench.column("interactions", "user_id") == sorted(2 * kept)
    assert bench.column("items", "item_id") == whole == ["x", "y"]
    assert step(card, "share of users").dropped == 80 - 2 * len(kept)
    assert (card.users, card.ties.users) == (len(kept), len(kept))


def test_items_of_a_log_alone_stay_without_their_users(bench):
    path = bench.file("log.csv", "user_id,item_id\n" + "".join(f"u{number},i{number}\n" for number in range(20)))
    card = bench.prepare(path, users_share=0.5)
    assert card.items == 20
    assert 0 < card.users < 20


def test_further_columns_that_are_named_come_along_as_texts(bench):
    bench.file("interactions.csv", "user,item,ts,gadget,row\na,x,2,phone,1\nb,x,1,,2\na,y,1, tablet ,3\n")
    named = {"interactions.device": "gadget", "interactions.row": "row"}
    card = bench.prepare(columns=named)
    assert (card.columns["interactions.device"], card.unused) == ("gadget", ())
    assert bench.column("interactions", "item_id") == ["y", "x", "x"]
    assert Dataset.load(bench.out).columns == {"device": ["tablet", "phone", ""], "row": ["3", "1", "2"]}
    bench.prepare(columns={"interactions.device": "gadget"}, missing={"interactions.device": "constant:web"})
    assert Dataset.load(bench.out).columns == {"device": ["tablet", "phone", "web"]}
    assert bench.prepare().unused == ("interactions.gadget", "interactions.row")
    assert bench.table("interactions").columns == list(COLUMNS)


def test_users_stand_beside_their_interactions_in_words(bench):
    bench.file("interactions.csv", "user_id,item_id\nb,x\na,x\nc,x\n")
    bench.file("users.csv", "user_id,age,text,job\na,24,likes tea,\nb,30,,baker\nz,1,,\n")
    bench.prepare()
    data = Dataset.load(bench.out)
    assert data.user_ids == ["a", "b", "c"]
    assert data.user_texts == ["likes tea, age 24", "age 30, job baker", ""]


def test_poor_ratings_leave_on_request(bench, step):
    path = bench.file("log.csv", "user_id,item_id,rating\na,x,5\na,y,2\nb,x,4\n")
    assert bench.prepare(path).interactions == 3
    card = bench.prepare(path, min_weight=4)
    assert step(card, "minimum weight").dropped == 1
    assert bench.column("interactions", "item_id") == ["x", "x"]


def test_without_sound_items_the_items_are_blamed(bench):
    bench.file("items.csv", "item_id,title\nx\ny\n")
    bench.file("interactions.csv", "user_id,item_id\na,x\n")
    with pytest.raises(DataError, match="no items are left: 'broken rows' dropped 2 of 2"):
        bench.prepare(on_error="skip")
