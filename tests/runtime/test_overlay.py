"""Changes since export: kept on disk, seen at once, and never mixed with what they replace."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fakes import CANDIDATES, DECAY, DIM, make_bundle, newcomer, newcomer_votes, random_vectors, shop_items
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pocketrec import Item, OverlayError, Recommender
from pocketrec import overlay as overlay_of
from pocketrec.overlay import FORMAT, NAME, Overlay, Vectors
from pocketrec.recommender import _late_candidates

SHOP = {item.id: item for item in shop_items()}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Its vectors aren't those of the texts: behaviour has moved them."""
    return make_bundle(tmp_path_factory.mktemp("overlay") / "bundle", vectors=random_vectors(16))


def vector_of(recommender, id):
    """By the scores of everything else: similar() is an inner product with unit vectors."""
    row = recommender._live.row(id)
    return recommender._live.vectors(np.array([row], np.int32))[0]


def by_id(answer):
    return {line.id: line for line in answer}


names = st.sampled_from([*list(SHOP)[:5], "new1", "new2", "new3"])
titles = st.sampled_from(["red cup", "blue rug", "grey lamp", "something else"])
upserts = st.tuples(st.just("upsert"), st.dictionaries(names, titles, max_size=3))
removals = st.tuples(st.just("remove"), st.lists(names, max_size=3))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(upserts, removals, st.just(("reopen", None))), max_size=8))
def test_the_catalogue_is_what_a_dictionary_would_hold(bundle, tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("state")
    recommender, expected = Recommender.load(bundle, overlay=folder), dict(SHOP)
    for step, what in [*steps, ("reopen", None)]:
        if step == "upsert":
            items = [Item(id=id, title=title) for id, title in what.items()]
            recommender.upsert(items)
            expected |= {item.id: item for item in items}
        elif step == "remove":
            recommender.remove(what)
            expected = {id: item for id, item in expected.items() if id not in what}
        else:
            recommender.close()
            recommender = Recommender.load(bundle, overlay=folder)
        assert len(recommender) == len(expected)
        for question in ({}, {"history": ["i9"], "allow_seen": True}, {"query": "red"}):
            found = {line.id: line.item for line in recommender.recommend(k=99, **question)}
            assert found == expected
        assert all(recommender.item(id) == expected.get(id) for id in [*SHOP, "new1", "new2", "new3"])
    recommender.close()


def test_an_item_that_reads_as_before_keeps_its_vector(bundle):
    recommender = Recommender.load(bundle)
    before = vector_of(recommender, "i3")
    recommender.upsert([Item(id="i3", title=" red  rug ", attributes={"price": 99})])
    assert recommender.item("i3").attributes == {"price": 99}
    assert np.array_equal(vector_of(recommender, "i3"), before)


def test_a_known_item_moves_with_its_text_and_keeps_what_behaviour_taught(bundle):
    recommender = Recommender.load(bundle)
    old, (before, after) = vector_of(recommender, "i3"), recommender.encode(["red rug", "blue lamp"])
    recommender.upsert([Item(id="i3", title="blue lamp"), Item(id="new", title="grey cup")])
    moved = old + after - before
    assert vector_of(recommender, "i3") == pytest.approx(moved / np.linalg.norm(moved), abs=1e-5)
    assert vector_of(recommender, "new") == pytest.approx(newcomer("grey cup", bundle), abs=1e-5)


def test_what_a_caller_does_with_an_item_stays_with_him(bundle):
    recommender = Recommender.load(bundle)
    recommender.upsert([Item(id="new", title="grey cup", attributes={"price": 4})])
    for id in ("i3", "new"):
        price = recommender.item(id).attributes["price"]
        recommender.item(id).attributes["price"] = 99
        by_id(recommender.recommend(k=99))[id].item.attributes["price"] = 99
        by_id(recommender.similar("i5", k=99))[id].item.attributes["price"] = 99
        assert recommender.item(id).attributes["price"] == price
    assert recommender.recommend(where={"price": {"min": 90}}) == []


def test_a_replaced_item_keeps_its_votes_and_its_popularity(bundle):
    recommender = Recommender.load(bundle)
    recommender.upsert(
        [Item(id="i5", title="green lamp", text="new words"), Item(id="i0", title="red cup", text="too")]
    )
    after_i4 = by_id(recommender.recommend(["i4"], k=99, explain=True))
    assert [reason.item_id for reason in after_i4["i5"].reasons if reason.kind == "bought_together"] == ["i4"]
    after_i0 = by_id(recommender.recommend(["i0"], k=99, explain=True))
    assert [reason.item_id for reason in after_i0["i1"].reasons if reason.kind == "bought_together"] == ["i0"]
    assert recommender.rank(k=2) == ["i0", "i1"]


def test_an_item_that_nobody_took_and_that_says_something_else_now_is_new(bundle):
    """Its old votes were those of its old text; whatever else of it changes, they stay."""
    recommender, last = Recommender.load(bundle), shop_items()[15]
    recommender.upsert([replace(last, attributes={"price": 7})])
    live = recommender._live
    row = np.array([live.row("i15")], np.int32)
    assert live.origin(row).tolist() == [15]
    assert not live.newcomers.votes.any()
    recommender.upsert([replace(last, title="red cup")])
    live = recommender._live
    assert live.origin(row).tolist() == [-1]
    assert live.newcomers.votes.any()
    assert [one.id for one in recommender.recommend(k=99)].count("i15") == 1


def test_new_words_behind_what_the_encoder_reads_are_new_words_too(tmp_path):
    items = [*shop_items()[:15], Item(id="i15", title="grey rug grey rug of wool")]
    recommender = Recommender.load(make_bundle(tmp_path / "bundle", items=items))
    recommender.upsert([replace(items[15], title="grey rug grey rug like a cup")])
    live = recommender._live
    assert live.origin(np.array([live.row("i15")], np.int32)).tolist() == [-1]
    assert live.newcomers.votes.any()


def test_a_new_item_is_voted_for_by_what_is_most_like_it_and_is_the_least_popular(bundle):
    recommender = Recommender.load(bundle)
    recommender.upsert([Item(id="new", title="red cup")])
    assert recommender.recommend(k=99)[-1].score == 0
    kinds = {reason.kind for reason in by_id(recommender.recommend(["i3"], k=99, explain=True))["new"].reasons}
    assert kinds == {"similar"}
    placed = newcomer("red cup", bundle)
    similarity, vote = float(vector_of(recommender, "i3") @ placed), newcomer_votes("red cup")[3]
    assert recommender.score(["i3"], ["new"])[0] == pytest.approx(similarity + vote**0.5, abs=1e-5)


def test_votes_of_a_history_for_new_items_fall_with_age(bundle):
    recommender = Recommender.load(bundle)
    recommender.upsert([Item(id=title, title=title) for title in ("blue lamp", "grey rug", "red cup")])
    live, history = recommender._live, [3, 9, 4]
    late = live.late_votes(np.array([*history, -1], np.int32))  # the newest is an item of the overlay itself
    for place in range(3):
        cast = newcomer_votes(live.changes.items[place].title)[history]
        whole = sum(vote * DECAY ** (3 - at) for at, vote in enumerate(cast))
        assert late[:, place] == pytest.approx([whole, 0, whole, 0], abs=1e-6)
        newest = live.late_votes(np.array(history, np.int32))[:, place]
        assert newest[1] == pytest.approx(cast[-1], abs=1e-6)


def test_voters_are_the_same_however_items_came(bundle):
    titles = ["red cup", "blue lamp", "grey rug", "green chair"]
    items = [Item(id=f"new{i}", title=title) for i, title in enumerate(titles)]
    at_once, one_by_one = Recommender.load(bundle), Recommender.load(bundle)
    at_once.upsert(items)
    for item in [Item(id="new2", title="green cup"), *reversed(items)]:
        one_by_one.upsert([item])
    first, second = at_once._live.newcomers, one_by_one._live.newcomers
    assert np.array_equal(first.voters, second.voters)
    assert first.votes == pytest.approx(second.votes, abs=1e-6)


def test_of_many_new_items_the_best_voted_is_found_though_the_tower_would_not_take_it(tmp_path):
    """Votes count for all, and so many items stand nearer to the user that the one voted for is no candidate of his."""
    folder = make_bundle(tmp_path / "bundle")
    recommender = Recommender.load(folder)
    recommender.upsert([Item(id=f"new{i}", title="red cup") for i in range(3 * CANDIDATES)])
    recommender.upsert([Item(id="twin", title="blue lamp")])
    late = recommender._live.late_votes(np.array([9], np.int32))
    base, live = len(recommender._bundle.catalogue), recommender._live
    user = live.vectors(np.array([live.row("i0")], np.int32))[0]  # red cup
    rows = _late_candidates(live, np.arange(base, len(live), dtype=np.int32), user, late, CANDIDATES)
    assert live.row("twin") in rows
    assert len(rows) == len(set(rows.tolist())) < 3 * CANDIDATES


def test_a_removed_item_still_tells_what_the_person_likes(bundle):
    recommender = Recommender.load(bundle)
    before = recommender.rank(["i4"], k=3)
    recommender.remove(["i4"])
    assert recommender.rank(["i4"], k=3) == before


def test_a_removed_item_can_come_back(bundle):
    recommender = Recommender.load(bundle)
    recommender.remove(["i3"])
    recommender.upsert([SHOP["i3"]])
    assert recommender.recommend(k=99) == Recommender.load(bundle).recommend(k=99)


def test_removing_what_is_not_there_is_no_error(bundle):
    recommender = Recommender.load(bundle)
    recommender.remove(["never", "i1", "i1"])
    assert len(recommender) == 15


@pytest.mark.parametrize("wrong", [Item(id="b", title=" "), Item(id="b", title="t", attributes={"x": float("nan")})])
def test_one_wrong_item_means_that_none_is_stored(bundle, tmp_path, wrong):
    recommender = Recommender.load(bundle, overlay=tmp_path)
    with pytest.raises(ValueError, match="item"):
        recommender.upsert([Item(id="a", title="red cup"), wrong])
    assert recommender.item("a") is None
    recommender.close()
    assert len(Recommender.load(bundle, overlay=tmp_path)) == 16


def test_without_a_folder_changes_last_as_long_as_the_object(bundle):
    recommender = Recommender.load(bundle)
    recommender.upsert([Item(id="new", title="red cup")])
    assert recommender.item("new") is not None
    assert Recommender.load(bundle).item("new") is None


def test_changes_to_behaviour_in_a_new_bundle_are_read_again(bundle, tmp_path):
    """An unchanged text took the old bundle's vector; the new bundle's must take its place."""
    first = Recommender.load(bundle, overlay=tmp_path / "state")
    first.upsert([SHOP["i3"]])
    first.close()
    vectors = random_vectors(16, seed=9)
    again = Recommender.load(make_bundle(tmp_path / "next", vectors=vectors), overlay=tmp_path / "state")
    assert np.array_equal(vector_of(again, "i3"), vectors[3])


def test_another_bundle_can_be_tried_on_the_changes_of_a_running_one(bundle, tmp_path):
    running = Recommender.load(bundle, overlay=tmp_path / "state")
    running.upsert([Item(id="new", title="red cup"), SHOP["i3"]])
    files = {path: path.read_bytes() for path in (tmp_path / "state").iterdir() if path.suffix != ".sqlite-shm"}
    vectors = random_vectors(16, seed=9)
    folder = make_bundle(tmp_path / "next", vectors=vectors)
    tried = Recommender.load(folder, overlay=tmp_path / "state", read_only=True)
    assert np.array_equal(vector_of(tried, "i3"), vectors[3])
    assert tried.item("new").title == "red cup"
    tried.remove(["new"])
    tried.upsert([Item(id="newer", title="grey rug")])
    assert tried.item("newer") is not None
    tried.close()
    assert {path: path.read_bytes() for path in files} == files
    running.upsert([Item(id="late", title="blue cup")])  # it is still the owner
    assert [running.item(id) is not None for id in ("new", "newer", "late")] == [True, False, True]
    with pytest.raises(OverlayError, match=NAME):
        Recommender.load(folder, overlay=tmp_path / "nowhere", read_only=True)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("format", [1, FORMAT])
def test_trying_leaves_nothing_beside_a_store_that_nobody_has_open(bundle, stored, format):
    """A log that another user's program left would keep its owner from writing."""
    if format == 1:
        as_of_format_1(stored)
    before = {path.name: path.read_bytes() for path in stored.parent.iterdir()}
    tried = Recommender.load(bundle, overlay=stored.parent, read_only=True)
    assert tried.item("new").title == "red cup"
    assert tried.item("i1") is None
    tried.close()
    assert {path.name: path.read_bytes() for path in stored.parent.iterdir()} == before


def test_a_store_that_is_locked_is_not_waited_for_without_end(bundle, stored, monkeypatch):
    monkeypatch.setattr(overlay_of, "_WAIT", 0.1)
    other = sqlite3.connect(stored, isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("DELETE FROM changes")
    with pytest.raises(OverlayError, match="locked"):
        Recommender.load(bundle, overlay=stored.parent)
    other.execute("ROLLBACK")
    other.close()


def as_of_format_1(path):
    """There was no column for what the encoder makes of a text."""
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE changes DROP COLUMN read")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def all_of(value):
    """Reads everything as the same vector."""
    return lambda items: Vectors(*(np.full((len(items), DIM), value, np.float32) for _ in range(2)))


def test_a_store_of_format_1_is_read_anew_and_goes_on(bundle, stored):
    before = Recommender.load(bundle, overlay=stored.parent)
    expected = before._live.newcomers.votes
    before.close()
    as_of_format_1(stored)
    again = Recommender.load(bundle, overlay=stored.parent)
    assert again.item("i1") is None
    assert again.item("new").title == "red cup"
    assert np.array_equal(again._live.newcomers.votes, expected)
    assert expected.any()
    again.upsert([Item(id="newer", title="blue rug")])
    again.close()
    assert Recommender.load(bundle, overlay=stored.parent).item("newer") is not None


@pytest.fixture
def stored(bundle, tmp_path):
    """File of an overlay with two changes, closed."""
    recommender = Recommender.load(bundle, overlay=tmp_path)
    recommender.upsert([Item(id="new", title="red cup")])
    recommender.remove(["i1"])
    recommender.close()
    return tmp_path / NAME


def refused(bundle, path):
    """The error's message; the file must stay as it is."""
    before = path.read_bytes()
    with pytest.raises(OverlayError) as caught:
        Recommender.load(bundle, overlay=path.parent)
    assert path.read_bytes() == before
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_another_programs_database_is_refused_and_left_alone(bundle, tmp_path):
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("CREATE TABLE songs (name)")
    connection.close()
    assert "another program's" in refused(bundle, tmp_path / NAME)


def test_a_newer_format_is_told_with_the_line_that_upgrades(bundle, stored):
    connection = sqlite3.connect(stored)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    assert "pip install --upgrade pocketrec" in refused(bundle, stored)


@pytest.mark.parametrize("content", [b"x" * 4096, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_damaged_file_is_refused_and_left_alone(bundle, stored, content):
    stored.write_bytes(content)
    refused(bundle, stored)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE changes SET vector = x'00' WHERE id = 'new'",
        "UPDATE changes SET vector = NULL WHERE id = 'new'",
        "UPDATE changes SET read = NULL WHERE id = 'new'",
        "UPDATE changes SET read = 5 WHERE id = 'new'",
        "UPDATE changes SET item = x'7b' WHERE id = 'new'",
        "UPDATE changes SET item = 5 WHERE id = 'new'",
        "UPDATE changes SET item = CAST(replace(item, 'red', x'ff') AS BLOB) WHERE id = 'new'",
        "DROP TABLE changes",
        "DROP TABLE meta",
    ],
)
def test_damaged_rows_are_told(bundle, stored, damage):
    connection = sqlite3.connect(stored)
    connection.execute(damage)
    connection.commit()
    connection.close()
    with pytest.raises(OverlayError, match=NAME):
        Recommender.load(bundle, overlay=stored.parent)


def test_a_file_in_the_folders_place_is_told(bundle, tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(OverlayError, match="state"):
        Recommender.load(bundle, overlay=tmp_path / "state")


def test_a_set_up_that_was_cut_short_is_finished(bundle, tmp_path):
    """A crash between the first write to the file and the tables leaves an empty database."""
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert len(Recommender.load(bundle, overlay=tmp_path)) == 16


def test_commits_are_synced_to_the_disk(tmp_path):
    overlay = Overlay.open(tmp_path, "reading", DIM, all_of(0))
    assert overlay._run("PRAGMA journal_mode") == [("wal",)]
    assert overlay._run("PRAGMA synchronous") == [(2,)]
    overlay.close()


def test_a_change_after_closing_is_told(tmp_path):
    overlay = Overlay.open(tmp_path, "reading", DIM, all_of(0))
    overlay.close()
    with pytest.raises(OverlayError, match="can't be used"):
        overlay.remove(["i1"])


def test_a_store_that_another_bundle_took_over_is_never_written_in_the_old_ones_space(tmp_path):
    first = Overlay.open(tmp_path, "first", DIM, all_of(1))
    item = Item(id="new", title="red cup")
    first.upsert([item], all_of(1)([item]))
    second = Overlay.open(tmp_path, "second", DIM, all_of(2))
    assert (second.changes().vectors.placed == 2).all()
    for use in (lambda: first.upsert([item], all_of(1)([item])), lambda: first.remove(["new"]), first.changes):
        with pytest.raises(OverlayError, match="taken over by another bundle"):
            use()
    assert (second.changes().vectors.placed == 2).all()
    assert second.changes().items == (item,)
    first.close()
    second.close()


def test_what_is_written_while_items_are_read_again_is_read_too(tmp_path):
    first = Overlay.open(tmp_path, "first", DIM, all_of(0))
    items = [Item(id=id, title="red cup") for id in ("a", "b")]
    first.upsert(items[:1], all_of(1)(items[:1]))
    rounds = []

    def read(stored):
        rounds.append([item.id for item in stored])
        if len(rounds) == 1:
            first.upsert(items[1:], all_of(1)(items[1:]))
        return all_of(2)(stored)

    second = Overlay.open(tmp_path, "second", DIM, read)
    assert rounds == [["a"], ["a", "b"]]
    assert (second.changes().vectors.placed == 2).all()
    first.close()
    second.close()


def test_many_may_open_a_new_store_at_once(tmp_path):
    for place in range(20):
        with ThreadPoolExecutor(4) as pool:
            opened = list(pool.map(lambda _: Overlay.open(tmp_path / str(place), "reading", DIM, all_of(0)), range(4)))  # noqa: B023
        for overlay in opened:
            overlay.close()


def test_a_full_disk_is_told_as_such_and_loses_nothing(tmp_path):
    overlay = Overlay.open(tmp_path, "reading", DIM, all_of(0))
    overlay._run("PRAGMA max_page_count = 20")
    with pytest.raises(OverlayError, match="full"):
        overlay.upsert([Item(id="big", title="x", text="y" * 1_000_000)], all_of(1)([None]))
    assert overlay.changes().items == ()
    overlay.remove(["i1"])
    assert overlay.changes().removed == {"i1"}
    overlay.close()
