import pytest

from pocketrec.errors import ConfigError, DataError
from pocketrec_training.prepare import json_lines


def test_a_shop_log_is_understood_and_said(bench):
    path = bench.file(
        "retail.csv",
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,CustomerID\n"
        "1,85123A,WHITE HANGER,6,2010-12-01 08:26,17850.0\n2,71053,,2,2010-12-02 09:00,17850.0\n"
        "3,71053,METAL LANTERN,2,2010-12-03 09:00,17851.0\n",
    )
    card = bench.prepare(path)
    assert card.columns == {
        "interactions.user_id": "CustomerID",
        "interactions.item_id": "StockCode",
        "interactions.timestamp": "InvoiceDate (ISO dates)",
        "interactions.weight": "Quantity",
        "items.item_id": "StockCode (of interactions: there is no table of items)",
        "items.title": "Description",
    }
    assert card.unused == ("interactions.InvoiceNo",)
    assert bench.column("items", "title") == ["WHITE HANGER", "METAL LANTERN"]
    assert bench.column("interactions", "weight") == [6.0, 2.0, 2.0]


def test_interactions_alone_have_items_named_by_their_ids(bench):
    card = bench.prepare(bench.file("log.tsv", "user\titem\na\tx\nb\ty\n"))
    assert bench.column("items", "title") == ["x", "y"]
    assert card.columns["items.title"] == "item (there are no titles)"


def test_chosen_columns_win_over_guesses(bench):
    bench.file("interactions.csv", "user_id,item_id,who,what\n1,2,a,x\n")
    bench.file("items.csv", "sku,label,title,cost\nx,Blue teapot,wrong,9\n")
    card = bench.prepare(
        columns={
            "interactions.user_id": "who",
            "interactions.item_id": "what",
            "items.title": "label",
            "items.price": "cost",
        }
    )
    assert bench.table("interactions").select("user_id", "item_id").row(0) == ("a", "x")
    assert bench.table("items").columns == ["item_id", "title", "text", "categories", "price"]
    assert bench.column("items", "title") == ["Blue teapot"]
    assert card.columns["items.price"] == "cost"


def test_two_files_by_any_name(bench):
    log = bench.file("clicks.csv.gz", "visitorid;itemid\na;x\n")
    items = bench.file("things.json", '{"id": "x", "name": "Thing", "price": 2.5, "new": true}\n')
    bench.prepare(log, items)
    assert bench.table("items").row(0) == ("x", "Thing", "", [], 2.5, True)


def test_attributes_of_csv_get_the_types_that_their_values_have(bench):
    bench.file(
        "items.csv",
        "item_id,title,year,price,code,new\n1,a,1999,2.5,007,true\n2,b,,,010,FALSE\n3,c,n/a,1e3,100,\n",
    )
    bench.file("interactions.csv", "user_id,item_id\nu,1\n")
    bench.prepare()
    items = bench.table("items")
    assert items["year"].to_list() == [1999, None, None]
    assert items["price"].to_list() == [2.5, None, 1000.0]
    assert items["code"].to_list() == ["007", "010", "100"]
    assert items["new"].to_list() == [True, False, None]


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("UnitPrice", ["12,50", "1.299,00", "-0,99", ""], [12.5, 1299.0, -0.99, None]),
        ("price", ["12,50", "12,5"], ["12,50", "12,5"]),
        ("price", ["1,299", "12,500"], ["1,299", "12,500"]),
        ("price", ["12,50", "7"], ["12,50", "7"]),
        ("price", ["1.29,00"], ["1.29,00"]),
        ("sizes", ["36,38", "40,42"], ["36,38", "40,42"]),
    ],
)
def test_prices_with_a_decimal_comma_are_numbers_where_nothing_else_can_be_meant(bench, name, written, read):
    rows = "".join(f"{place};a;{value}\n" for place, value in enumerate(written))
    bench.file("items.csv", f"item_id;title;{name}\n{rows}")
    bench.file("interactions.csv", "user_id,item_id\nu,0\n")
    bench.prepare()
    assert bench.column("items", name) == read


def test_what_of_users_can_not_be_used_is_said(bench):
    bench.file("items.csv", "item_id,title\n1,a\n")
    bench.file("interactions.csv", "user_id,item_id\nu,1\n")
    bench.file("users.jsonl", '{"user_id": "u", "city": "Bonn", "likes": ["tea", "rugs"]}\n')
    card = bench.prepare()
    assert bench.table("users").columns == ["user_id", "city"]
    assert card.unused == ("users.likes",)


@pytest.mark.parametrize(
    ("categories", "split"),
    [
        ("a|b, c", ["a", "b, c"]),
        ("a, b", ["a", "b"]),
        ("Home > Tea; x", ["Home > Tea", "x"]),
        ("tea", ["tea"]),
        ("['tea', 'pot']", ["tea", "pot"]),
    ],
)
def test_categories_are_split_at_the_strongest_mark_there_is(bench, categories, split):
    bench.file("items.tsv", f"item_id\tgenres\n1\t{categories}\n")
    bench.file("interactions.csv", "user_id,item_id\nu,1\n")
    bench.prepare()
    assert bench.column("items", "categories") == [split]


def test_a_column_that_can_not_be_guessed_is_asked_for(bench):
    path = bench.file("log.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"interactions\.user_id among a, b; say --column interactions\.user_id=NAME"):
        bench.prepare(path)


@pytest.mark.parametrize("key", ["user_id", "clicks.user_id", "interactions.", "items."])
def test_a_column_that_does_not_exist_in_data_sets_is_refused(bench, key):
    path = bench.file("log.csv", "user_id,item_id\n1,2\n")
    with pytest.raises(ConfigError, match=key):
        bench.prepare(path, columns={key: "user_id"})


def test_a_chosen_column_that_the_source_lacks_is_refused(bench):
    path = bench.file("log.csv", "user_id,item_id\n1,2\n")
    with pytest.raises(ConfigError, match="no column 'who', but user_id, item_id"):
        bench.prepare(path, columns={"interactions.user_id": "who"})


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (["['Toys', 'Games']", ""], [["Toys", "Games"], []]),
        (['["Home, Kitchen", "Toys"]', "[]"], [["Home, Kitchen", "Toys"], []]),
        (["[['Toys', 'Games'], ['Hobbies']]", "['Toys']"], [["Toys", "Games", "Hobbies"], ["Toys"]]),
        (["[Toys, Games]", "[null]"], [["Toys", "Games"], []]),
        (["[...]", r"['a\d', 1]"], [["..."], [r"a\d", "1"]]),
        (["Home &amp; Garden, Tools", "Toys, Games"], [["Home & Garden", "Tools"], ["Toys", "Games"]]),
    ],
)
def test_categories_are_what_their_column_means(bench, written, labels):
    rows = "".join(f'{place},t,"{text.replace(chr(34), 2 * chr(34))}"\n' for place, text in enumerate(written))
    bench.file("items.csv", "item_id,title,categories\n" + rows)
    bench.file("interactions.csv", "user_id,item_id\na,0\na,1\n")
    bench.prepare()
    assert bench.column("items", "categories") == labels


@pytest.mark.parametrize("batch", [50_000, 1])
def test_one_object_among_values_loses_no_column_and_objects_are_said(bench, monkeypatch, batch):
    monkeypatch.setattr(json_lines, "_BATCH", batch)
    bench.file(
        "items.jsonl",
        '{"item_id": "x", "title": "X", "categories": {}, "price": {}, "meta": {"a": 1}}\n'
        '{"item_id": "y", "title": "Y", "categories": ["A", "B"], "price": 3.5, "meta": {}}\n',
    )
    bench.file("interactions.csv", "user_id,item_id\na,x\na,y\n")
    card = bench.prepare()
    assert bench.column("items", "categories") == [[], ["A", "B"]]
    assert bench.column("items", "price") == [None, 3.5]
    assert "items.meta" in card.unused


def test_columns_without_a_name_are_left_out(bench):
    bench.file("items.csv", "item_id,title,,\nx,X,,\n")
    bench.file("interactions.csv", ",user_id,item_id\n0,a,x\n")
    bench.prepare()
    assert bench.table("items").columns == ["item_id", "title", "text", "categories"]


def test_splits_of_queries_are_read_in_any_case_and_others_said(bench, step):
    bench.file("items.csv", "item_id,title\nx,X\n")
    bench.file("interactions.csv", "user_id,item_id\na,x\n")
    bench.file("queries.csv", "query_id,text,split\n1,one,Train\n2,two,TEST\n3,three,dev\n4,four,\n")
    bench.file("qrels.csv", "query_id,item_id\n1,x\n")
    card = bench.prepare()
    assert bench.column("queries", "split") == ["train", "test", None, None]
    assert step(card, "split neither train nor test", "queries").changed == 1
