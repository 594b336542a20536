import pytest

from pocketrec.errors import ConfigError


@pytest.fixture
def shop(bench):
    bench.file("items.csv", "item_id,title,price,shop\n1,a,1,north\n2,b,,south\n3,c,9,\n4,,3,south\n")
    bench.file(
        "interactions.csv",
        "user_id,item_id,timestamp,rating\na,1,10,1\na,2,,\na,3,30,5\nb,1,10,2\nb,4,40,2\n,1,50,4\n",
    )
    return bench


def prepare(shop, **missing):
    named = {key.replace("__", "."): policy for key, policy in missing.items()}
    return shop.prepare(missing={"interactions.user_id": "drop"} | named)


def test_rows_without_a_required_id_are_broken_unless_a_policy_drops_them(shop, step):
    with pytest.raises(Exception, match="line 7, column 'user_id' is empty"):
        shop.prepare()
    card = prepare(shop)
    assert step(card, "missing user_id: drop").dropped == 1


def test_rows_without_a_time_among_timed_ones_leave_by_default(shop, step):
    card = prepare(shop)
    assert step(card, "missing timestamp: drop").dropped == 1
    assert card.interactions == 4


def test_time_and_rating_are_interpolated_within_a_user(shop, step):
    card = prepare(shop, interactions__timestamp="interpolate", interactions__rating="interpolate")
    rows = {(user, item): rest for user, item, *rest in shop.table("interactions").rows()}
    assert rows["a", "2"] == [20, 3.0]
    assert step(card, "missing timestamp: interpolate").changed == 1


@pytest.mark.parametrize(("policy", "value"), [("median", 2.0), ("mode", 2.0), ("constant:4.5", 4.5)])
def test_a_missing_rating_is_filled(shop, policy, value):
    prepare(shop, interactions__timestamp="interpolate", interactions__rating=policy)
    rows = {(user, item): weight for user, item, _, weight in shop.table("interactions").rows()}
    assert rows["a", "2"] == value


@pytest.mark.parametrize(
    ("policy", "prices"),
    [
        ("keep", [1, None, 9, 3]),
        ("median", [1, 3, 9, 3]),
        ("mode", [1, 1, 9, 3]),
        ("constant:7", [1, 7, 9, 3]),
        ("interpolate", [1, 5, 9, 3]),
        ("drop", [1, 9, 3]),
    ],
)
def test_a_missing_attribute_follows_its_policy(shop, policy, prices):
    prepare(shop, items__price=policy)
    assert shop.column("items", "price") == prices


def test_words_take_a_constant_or_the_most_frequent(shop):
    prepare(shop, items__shop="mode", items__title="constant:nameless")
    assert shop.column("items", "shop") == ["north", "south", "south", "south"]
    assert shop.column("items", "title") == ["a", "b", "c", "nameless"]


@pytest.mark.parametrize(
    ("column", "policy", "words"),
    [
        ("items.price", "mean", "say keep, drop, constant:VALUE"),
        ("items.price", "constant", "say keep, drop, constant:VALUE"),
        ("items.price", "constant:cheap", "'cheap' doesn't fit a column of numbers"),
        ("items.shop", "median", "holds text, not numbers"),
        ("items.colour", "drop", "items has no column 'colour', but item_id, title"),
        ("price", "drop", "is not TABLE.COLUMN"),
        ("queries.text", "drop", "queries"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(shop, column, policy, words):
    with pytest.raises(ConfigError, match=words):
        shop.prepare(on_error="skip", missing={column: policy})
