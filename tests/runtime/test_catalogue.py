"""The catalogue's file: the same items give the same bytes, and every question the right rows."""

import sqlite3

import msgspec
import numpy as np
import pytest
from fakes import shop_items
from hypothesis import given
from hypothesis import strategies as st

from pocketrec import BundleError, Item
from pocketrec.catalogue import Catalogue, write_catalogue
from pocketrec.rules import Rules

word = st.sampled_from(["red", "green", "10", ""])
value = st.one_of(word, st.integers(-3, 3), st.sampled_from([-0.5, 0.5, 2.0, 1e9]), st.booleans())
field = st.sampled_from(["colour", "price", "categories"])
item = st.builds(
    lambda categories, attributes: Item(id="", title="t", categories=tuple(categories), attributes=attributes),
    st.lists(word, max_size=3),
    st.dictionaries(st.sampled_from(["colour", "price"]), value),
)
numbers = st.integers(-3, 3) | st.sampled_from([-0.5, 0.5, 2.0])
ranges = st.one_of(
    *(
        st.fixed_dictionaries({"min": kind}, optional={"max": kind}) | st.fixed_dictionaries({"max": kind})
        for kind in (numbers, word)
    )
)
condition = st.one_of(value, st.lists(value, min_size=1, max_size=3), ranges)


def catalogue_of(folder, items):
    write_catalogue(folder / "items.sqlite", items)
    return Catalogue.open(folder / "items.sqlite")


@given(items=st.lists(item, min_size=1, max_size=8), where=st.dictionaries(field, condition, min_size=1, max_size=2))
def test_the_file_and_the_items_themselves_answer_alike(tmp_path_factory, items, where):
    """Two implementations of one rule, SQLite's for bundles and Python's for overlays, must not differ."""
    named = [msgspec.structs.replace(each, id=f"i{at}") for at, each in enumerate(items)]
    catalogue = catalogue_of(tmp_path_factory.mktemp("catalogue"), named)
    rules = Rules.of(where, {"colour", "price"})
    assert rules.mask(catalogue).tolist() == [rules.allow(each) for each in named]


def test_items_come_back_as_they_were(tmp_path):
    items = [
        *shop_items(),
        Item(id="ü-ß'\"", title="Łódź \U0001f375", text="a\nb", attributes={"whole": 2, "half": 2.5, "no": False}),
    ]
    catalogue = catalogue_of(tmp_path, items)
    assert catalogue.all_items() == items
    assert [catalogue.item(row) for row in range(len(items))] == items
    assert [catalogue.rows[each.id] for each in items] == list(range(len(items)))
    assert type(catalogue.item(16).attributes["half"]) is float
    assert catalogue.item(16).attributes["no"] is False
    assert catalogue.fields == {"categories", "colour", "price", "sale", "whole", "half", "no"}


def test_the_same_items_give_the_same_bytes(tmp_path):
    items = shop_items()
    turned = [
        Item(
            id=each.id, title=each.title, categories=each.categories, attributes=dict(reversed(each.attributes.items()))
        )
        for each in items
    ]
    write_catalogue(tmp_path / "a", items)
    write_catalogue(tmp_path / "b", turned)
    write_catalogue(tmp_path / "b", turned)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_two_items_with_one_id_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two items have the id 'i3'"):
        write_catalogue(tmp_path / "items.sqlite", [*shop_items(), shop_items()[3]])


def test_an_empty_catalogue_can_be_read(tmp_path):
    catalogue = catalogue_of(tmp_path, [])
    assert len(catalogue) == 0
    assert catalogue.fields == set()


def test_masks_cannot_be_altered_by_callers(tmp_path):
    mask = catalogue_of(tmp_path, shop_items()).matching("colour", "red")
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = False


def test_an_opened_catalogue_cannot_be_written(tmp_path):
    catalogue = catalogue_of(tmp_path, shop_items())
    with pytest.raises(sqlite3.OperationalError):
        catalogue._query("DELETE FROM items")


def test_what_is_no_catalogue_is_told_so(tmp_path):
    (tmp_path / "text").write_text("no database " * 100)
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE songs (name)").connection.close()
    for name in ("text", "other", "nothing"):
        with pytest.raises(BundleError, match=f"{name} is not a catalogue"):
            Catalogue.open(tmp_path / name)


def test_numbers_and_words_are_never_compared(tmp_path):
    mixed = [Item(id=str(at), title="t", attributes={"size": size}) for at, size in enumerate([5, "5", 5.0, True, "L"])]
    catalogue = catalogue_of(tmp_path, mixed)
    assert np.flatnonzero(catalogue.matching("size", 5)).tolist() == [0, 2]
    assert np.flatnonzero(catalogue.matching("size", "5")).tolist() == [1]
    assert np.flatnonzero(catalogue.between("size", 1, None)).tolist() == [0, 2, 3]
    assert np.flatnonzero(catalogue.between("size", "5", None)).tolist() == [1, 4]
