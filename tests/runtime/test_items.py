"""An item is stored only if it can be read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketrec import Item
from pocketrec.items import decode_item, encode_item

words = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = words | numbers | st.booleans()


@given(
    item=st.builds(
        Item,
        id=words,
        title=words,
        text=words,
        categories=st.lists(words).map(tuple),
        attributes=st.dictionaries(words, values),
    )
)
def test_what_is_stored_comes_back_as_it_was(item):
    again = decode_item(encode_item(item))
    assert again == item
    assert list(map(type, again.attributes.values())) == [type(item.attributes[name]) for name in again.attributes]


def test_the_order_of_attributes_leaves_no_trace():
    one = Item(id="a", title="t", attributes={"x": 1, "y": 2})
    assert encode_item(one) == encode_item(Item(id="a", title="t", attributes={"y": 2, "x": 1}))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"title": None}, "title"),
        ({"id": 5}, "id"),
        ({"id": "\ud800"}, "surrogates"),
        ({"categories": "kitchen"}, "categories"),
        ({"attributes": {"price": float("nan")}}, "attributes"),
        ({"attributes": {"price": float("inf")}}, "attributes"),
        ({"attributes": {"price": 2**63}}, "9223372036854775807"),
        ({"attributes": {"price": -(2**63) - 1}}, "-9223372036854775808"),
        ({"attributes": {"sizes": [1, 2]}}, "attributes"),
        ({"attributes": {"made": object}}, "type"),
    ],
    ids=str,
)
def test_what_could_not_be_read_again_is_refused(wrong, says):
    with pytest.raises(ValueError, match=f"an item can't be stored: .*{says}"):
        encode_item(Item(**{"id": "a", "title": "t", **wrong}))
