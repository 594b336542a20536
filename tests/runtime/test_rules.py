"""Conditions of a request: the right ones filter, the wrong ones are told with field and value."""

import pytest
from fakes import make_bundle

from pocketrec import Item, Recommender


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    return Recommender.load(make_bundle(tmp_path_factory.mktemp("rules") / "bundle"))


def ids(recommender, where, **others):
    return sorted(int(line.id[1:]) for line in recommender.recommend(k=99, where=where, **others))


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"colour": "red"}, [0, 1, 2, 3]),
        ({"colour": ["red", "grey"]}, [0, 1, 2, 3, 12, 13, 14, 15]),
        ({"colour": ("red",)}, [0, 1, 2, 3]),
        ({"colour": {"red"}}, [0, 1, 2, 3]),
        ({"colour": "purple"}, []),
        ({"categories": "kitchen"}, [0, 4, 8, 12]),
        ({"categories": ["kitchen", "all"]}, list(range(16))),
        ({"price": 5}, [5]),
        ({"price": 5.0}, [5]),
        ({"price": {"min": 13}}, [13, 14, 15]),
        ({"price": {"max": 2}}, [0, 1, 2]),
        ({"price": {"min": 4, "max": 6.5}}, [4, 5, 6]),
        ({"price": {"min": 6, "max": 4}}, []),
        ({"price": {"min": "a"}}, []),
        ({"colour": {"min": "green", "max": "grey"}}, [4, 5, 6, 7, 12, 13, 14, 15]),
        ({"sale": True}, [0, 2, 4, 6, 8, 10, 12, 14]),
        ({"sale": True, "colour": "red"}, [0, 2]),
        ({"sale": True, "categories": "kitchen", "price": {"min": 5}}, [8, 12]),
        ({}, list(range(16))),
        (None, list(range(16))),
    ],
    ids=str,
)
def test_only_items_that_meet_all_conditions_appear(recommender, where, rows):
    assert ids(recommender, where) == rows
    assert ids(recommender, where, history=["i5"], allow_seen=True) == rows
    assert ids(recommender, where, query="red cup") == rows


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"color": "red"}, "no item has a field 'color'; fields are categories, colour, price, sale"),
        ({"price": {"least": 3}}, r"the range of 'price' is \{'least': 3\}; it takes 'min', 'max' or both"),
        ({"price": {}}, "the range of 'price'"),
        ({"price": {"min": 1, "max": "z"}}, "ends must be of one kind"),
        ({"price": {"min": None}}, "ends must be of one kind"),
        ({"price": {"min": [1]}}, "ends must be of one kind"),
        ({"price": {"max": 2**63}}, "the range of 'price' is .*9223372036854775808"),
        ({"price": 2**63}, "'price' must equal a value, .* not 9223372036854775808"),
        ({"colour": []}, r"'colour' must equal a value, .* not \[\]"),
        ({"colour": None}, "'colour' must equal a value, .* not None"),
        ({"colour": [["red"]]}, "'colour' must equal a value"),
        ({"colour": ["red", None]}, "'colour' must equal a value"),
        ({"colour": object}, "'colour' must equal a value"),
    ],
    ids=str,
)
def test_a_wrong_condition_is_told_with_field_and_value(recommender, where, says):
    with pytest.raises(ValueError, match=says):
        recommender.recommend(where=where)


@pytest.mark.parametrize("where", [["colour"], "colour", 5, {"colour"}])
def test_conditions_that_are_no_mapping_are_refused(recommender, where):
    with pytest.raises(TypeError, match="where must map fields to conditions, not"):
        recommender.recommend(where=where)


def test_a_field_that_only_the_overlay_has_can_be_used(tmp_path):
    recommender = Recommender.load(make_bundle(tmp_path / "bundle"))
    with pytest.raises(ValueError, match="'material'"):
        recommender.recommend(where={"material": "wool"})
    recommender.upsert([Item(id="new", title="red rug", attributes={"material": "wool"})])
    assert [line.id for line in recommender.recommend(where={"material": "wool"})] == ["new"]


def test_categories_may_be_asked_for_where_no_item_has_any(tmp_path):
    plain = [Item(id="a", title="red cup"), Item(id="b", title="red lamp")]
    recommender = Recommender.load(make_bundle(tmp_path / "bundle", items=plain))
    assert recommender.recommend(where={"categories": "kitchen"}) == []
