import json

import pytest

from pocketrec.errors import DataError
from pocketrec_training.dataset import Dataset
from pocketrec_training.prepare.movielens import GENRES


def flags(*genres):
    return "|".join(["0", *("1" if genre in genres else "0" for genre in GENRES)])


def test_movielens_100k(bench):
    bench.file("u.data", "196\t1\t3\t881250949\n186\t2\t4\t891717742\n")
    movies = (
        f'1|Toy Story (1995)|01-Jan-1995||http://x|{flags("Animation", "Comedy")}\n2|Café "X"|||http://y|{flags()}\n'
    )
    bench.file("u.item", movies.encode("latin-1"))
    bench.file("u.user", "196|49|M|writer|55105\n186|39|F|executive|00000\n")
    card = bench.prepare()
    assert bench.table("items").rows() == [
        ("1", "Toy Story (1995)", "", ["Animation", "Comedy"], 1995),
        ("2", 'Café "X"', "", [], None),
    ]
    assert bench.table("interactions").rows() == [("186", "2", 891717742, 4.0), ("196", "1", 881250949, 3.0)]
    assert bench.table("users").row(1) == ("186", 39, "F", "executive", "00000")
    assert "MovieLens 100K" in card.source
    assert "GroupLens" in card.licence


def test_movielens_1m(bench):
    bench.file("ratings.dat", "1::2::5::978300760\n")
    bench.file("movies.dat", "2::Misérables, Les: 1995 (1998)::Drama|Musical\n".encode("latin-1"))
    bench.file("users.dat", "1::F::1::10::48067\n")
    bench.prepare()
    assert bench.table("items").row(0) == (
        "2",
        "Misérables, Les: 1995 (1998)",
        "",
        ["Drama", "Musical"],
        1998,
    )
    assert bench.table("interactions").row(0) == ("1", "2", 978300760, 5.0)


def test_movielens_latest(bench):
    bench.file("ratings.csv", "userId,movieId,rating,timestamp\n1,2,4.5,964982703\n")
    bench.file(
        "movies.csv",
        'movieId,title,genres\n2,"Men, Some (1995)",Action|Crime\n3,Nothing,(no genres listed)\n',
    )
    bench.prepare()
    assert bench.table("items").rows() == [
        ("2", "Men, Some (1995)", "", ["Action", "Crime"], 1995),
        ("3", "Nothing", "", [], None),
    ]


def test_recbole_atomic_files(bench):
    bench.file("shop.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t7\t4\t8.8125e8\n")
    bench.file(
        "shop.item",
        'item_id:token\tmovie_title:token_seq\tclass:token_seq\tprice:float\n7\tThe "Big" One\tA B\t2.5\n',
    )
    bench.file("shop.user", "user_id:token\tage:token\n1\t30\n")
    card = bench.prepare()
    assert bench.table("items").row(0) == ("7", 'The "Big" One', "", ["A", "B"], 2.5)
    assert bench.table("interactions").row(0) == ("1", "7", 881250000, 4.0)
    assert card.name == "shop"
    assert bench.prepare(bench.source / "shop.inter").items == 1


def amazon(bench):
    reviews = [
        {"user_id": "AE1", "asin": "B1", "parent_asin": "P1", "timestamp": 1588687728923, "rating": 5.0},
        {"user_id": "AE2", "asin": "B2", "parent_asin": "P1", "timestamp": 1588687728000, "rating": 1.0},
    ]
    for row in reviews:
        row |= {"title": "Great!", "text": "I love it", "images": [{"small": "x"}], "verified_purchase": True}
    meta = {
        "parent_asin": "P1",
        "title": "Tea &amp; Honey",
        "main_category": "All Beauty",
        "features": ["Soft", "Warm"],
        "description": ["A <b>fine</b> tea."],
        "price": "from 12.99",
        "store": "Leaf",
        "categories": ["Tea"],
        "details": {"Brand": "Leaf"},
    }
    other = {
        "parent_asin": "P2",
        "title": "Bare",
        "features": [],
        "price": None,
        "categories": [],
        "description": [],
    }
    log = bench.file("Tea.jsonl.gz", "".join(json.dumps(row) + "\n" for row in reviews))
    items = bench.file("meta_Tea.jsonl", json.dumps(meta) + "\n" + json.dumps(other) + "\n")
    return log, items


@pytest.mark.parametrize("as_folder", [True, False])
def test_amazon_reviews_2023(bench, as_folder):
    log, items = amazon(bench)
    card = bench.prepare() if as_folder else bench.prepare(log, items)
    assert sorted(bench.table("items").columns) == [
        "categories",
        "item_id",
        "price",
        "store",
        "text",
        "title",
    ]
    tea, bare = bench.table("items").rows(named=True)
    assert (tea["title"], tea["text"]) == ("Tea & Honey", "Soft Warm A fine tea.")
    assert (tea["categories"], tea["price"], tea["store"]) == (["All Beauty", "Tea"], 12.99, "Leaf")
    assert (bare["text"], bare["categories"], bare["price"]) == ("", [], None)
    assert bench.table("interactions").row(0) == ("AE1", "P1", 1588687728, 5.0)
    assert card.columns["interactions.timestamp"] == "timestamp (milliseconds)"


def test_titles_of_reviews_are_not_titles_of_products(bench):
    log, _ = amazon(bench)
    bench.prepare(log)
    assert bench.column("items", "title") == ["P1"]


def test_search_without_interactions(bench):
    bench.file("items.csv", "doc_id,title,abstract\nd1,One,first\nd2,Two,second\n")
    bench.file("queries.jsonl", '{"query_id": "q1", "text": " what\\n is "}\n{"query_id": "q2", "text": "why"}\n')
    bench.file("qrels.csv", "query_id,doc_id,grade\nq1,d2,1\nq1,d9,1\nq9,d1,1\nq2,d1,0\n")
    card = bench.prepare()
    data = Dataset.load(bench.out)
    assert (card.users, card.items, card.interactions) == (0, 2, 0)
    assert data.queries.texts == ["what is", "why"]
    assert [rows.tolist() for rows in data.queries.answers] == [[1], []]


def test_friends_are_pairs_of_known_users(bench, step):
    bench.file("interactions.csv", "user_id,item_id\na,x\nb,x\n")
    bench.file("friends.csv", "user_id,friend_id\na,b\nb,a\na,b\na,stranger\n")
    card = bench.prepare()
    assert bench.table("friends").rows() == [("a", "b"), ("b", "a")]
    assert step(card, "unknown users", "friends").dropped == 1


def test_two_data_sets_in_one_folder_are_ambiguous(bench):
    bench.file("a.inter", "user_id:token\titem_id:token\n")
    bench.file("b.inter", "user_id:token\titem_id:token\n")
    with pytest.raises(DataError, match=r"name one of a\.inter, b\.inter"):
        bench.prepare()
