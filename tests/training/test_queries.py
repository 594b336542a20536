"""What people typed is learnt from, beside what they took or alone; what tests is not."""

import csv
import dataclasses
import json

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import THINGS, write_shop

from pocketrec import Recommender
from pocketrec.errors import ConfigError, DataError
from pocketrec.rankings import ndcg
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.graphs.user import UserTower
from pocketrec_export.held_out import HeldOut
from pocketrec_export.model import Model
from pocketrec_export.title_fragments import title_fragments
from pocketrec_training.dataset import Dataset, Queries
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.evaluate.query_split import QueryParts, words_of
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.prepare import find_source, prepare
from pocketrec_training.tower.context import ContextConfig, Contexts
from pocketrec_training.tower.item_table import ItemTable
from pocketrec_training.tower.lessons import Lessons
from pocketrec_training.tower.ranking import rank_by_tower
from pocketrec_training.tower.request_texts import RequestTexts
from pocketrec_training.tower.training import train_tower
from pocketrec_training.train import fit_model, train

CODES = {"small": "red", "large": "green"}
"""What people mean: no title has these words."""
FORMS = {
    "kitchen {} {} blue": "train",
    "kitchen {} {} grey": "train",
    "living {} {} blue": "train",
    "living {} {} grey": "test",
}


def write_queries(folder, alone):
    """Who types `small cup` wants the red one."""
    write_shop(folder)
    asked = []
    for code, colour in CODES.items():
        for number, thing in enumerate(THINGS):
            for form, split in FORMS.items():
                asked.append((f"q{len(asked)}", form.format(code, thing), split, f"{colour}-{number}"))
    with (folder / "queries.jsonl").open("w") as file:
        for name, text, split, _ in asked:
            file.write(json.dumps({"query_id": name, "text": text, "split": split}) + "\n")
    with (folder / "qrels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["query_id", "item_id", "grade"])
        rows.writerows([name, item, 1] for name, _, _, item in asked)
    if alone:
        (folder / "interactions.csv").unlink()
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("queries")
    for name in ("both", "alone"):
        prepare(find_source(write_queries(root / f"{name}-raw", name == "alone")), root / name)
    return root


@pytest.fixture(scope="module")
def config(toy_config):
    training = msgspec.structs.replace(toy_config.training, request_weight=2.0, epochs=20, patience=20)
    return msgspec.structs.replace(toy_config, training=training)


def found(model, asked):
    """Share of queries whose answer comes first."""
    ranked = ModelRanker(model).search(asked.texts, 1)
    return np.mean([line[0] in answers for line, answers in zip(ranked, asked.answers, strict=True)])


def queries_of(texts, splits, answers):
    return Queries([str(i) for i in range(len(texts))], texts, splits, [np.array(rows, np.int32) for rows in answers])


WORDS = st.lists(st.sampled_from(["tea", "Tea", "red", "cup", "pot"]), min_size=1, max_size=3).map(" ".join)


QUERY = st.tuples(WORDS, st.sampled_from(["train", "test", "dev", ""]), st.lists(st.integers(0, 3), max_size=2))


@given(st.lists(QUERY))
def test_no_query_that_tests_or_validates_is_learnt_in_any_order_of_its_words(asked):
    texts, splits, answers = map(list, zip(*asked, strict=True)) if asked else ([], [], [])
    parts = QueryParts.of(queries_of(texts, splits, answers))
    tested = [text for text, split, rows in asked if split == "test" and rows]
    assert parts.test.texts == tested
    secret = {words_of(text) for text in (*tested, *parts.validation.texts)}
    assert not secret & {words_of(text) for text in parts.fit.texts}
    learnable = [text for text, split, rows in asked if split == "train" and rows]
    assert set(parts.fit.texts) | set(parts.validation.texts) <= set(learnable)
    assert len(parts.validation) <= -(-len(learnable) // 10)
    assert all(len(rows) for part in (parts.fit, parts.validation, parts.test) for rows in part.answers)


def test_a_reworded_query_is_told_from_one_that_is_unlike():
    asked = [("zinc cures a cold", "train"), ("zinc does not cure a cold", "test"), ("tea is hot", "test")]
    parts = QueryParts.of(queries_of([text for text, _ in asked], [split for _, split in asked], [[0]] * 3))
    assert parts.unlike(0.5).tolist() == [True, True]  # 3 of 7 words
    assert parts.unlike(0.4).tolist() == [False, True]
    assert parts.unlike(3 / 7).tolist() == [False, True]


def test_other_test_queries_give_the_same_model(folders, toy_config):
    dataset = Dataset.load(folders / "both")
    queries = dataset.queries
    random = np.random.default_rng(0)
    other = dataclasses.replace(
        queries,
        texts=[
            f"{text} vase" if split == "test" else text
            for text, split in zip(queries.texts, queries.splits, strict=True)
        ],
        answers=[
            random.integers(0, 40, 2).astype(np.int32) if split == "test" else rows
            for rows, split in zip(queries.answers, queries.splits, strict=True)
        ],
    )
    first, second = (
        fit_model(changed, make_split(changed, "leave-last-out"), toy_config, seed=0)
        for changed in (dataset, dataclasses.replace(dataset, queries=other))
    )
    assert np.array_equal(first.vectors, second.vectors)
    for mine, theirs in ((first.user, second.user), (first.scorer, second.scorer)):
        assert all(a.equal(b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))


def test_queries_teach_what_titles_do_not_say(folders, config):
    dataset = Dataset.load(folders / "both")
    split = make_split(dataset, "leave-last-out")
    taught = fit_model(dataset, split, config, seed=0)
    untaught = fit_model(dataset, dataclasses.replace(split, queries=QueryParts.none()), config, seed=0)
    assert found(untaught, split.queries.test) <= 0.1
    assert found(taught, split.queries.test) >= 0.3
    assert taught.card.validation["ndcg@10"] > 0.9  # histories are foreseen as ever


def test_items_that_nobody_took_are_their_text_from_the_first_step(folders, toy_config):
    dataset = Dataset.load(folders / "alone")
    split = make_split(dataset, "queries")
    texts = RequestTexts(title_fragments(dataset.items, 0), [], split.queries.fit.texts, split.queries.validation.texts)
    random = np.random.default_rng(0)
    requests = texts.read(lambda every: random.standard_normal((len(every), 24)).astype(np.float32))
    lessons = Lessons.of(split, Contexts.of(dataset, split, ContextConfig()), requests)
    table = ItemTable(random.standard_normal((40, 24)).astype(np.float32), 16)
    with torch.no_grad():
        table.residual.mul_(100)  # would drown what texts say
    tower = UserTower(16, toy_config.tower)
    reached = train_tower(table, tower, lessons, toy_config.training, seed=0)
    with torch.no_grad():
        vectors, typed = table.read(table.text_vectors), table.read(requests.held_out)
    cases = lessons.validation_queries
    ranked = rank_by_tower(tower, vectors, cases.histories, 10, 10, queries=typed)
    assert reached == pytest.approx(np.mean(ndcg(ranked, cases.targets)))


def test_queries_that_validated_are_learnt_at_last_with_their_own_answers(folders):
    dataset = Dataset.load(folders / "both")
    split = make_split(dataset, "leave-last-out")
    place = {text: number for number, text in enumerate(dataset.queries.texts)}
    texts = RequestTexts([("a", "b")] * 40, [], split.queries.fit.texts, split.queries.validation.texts)
    requests = texts.read(lambda every: np.array([[place.get(text, -1)] for text in every], np.float32)).final()
    last = split.final()
    lessons = Lessons.of(last, Contexts.of(dataset, last, ContextConfig()), requests)
    learnt = {(int(requests.queries[query, 0]), row) for query, row in lessons.answers.tolist()}
    judged = zip(dataset.queries.splits, dataset.queries.answers, strict=True)
    assert learnt == {(number, rows[0]) for number, (part, rows) in enumerate(judged) if part == "train"}
    assert lessons.cases == 0
    assert last.queries.test.texts == split.queries.test.texts


def test_queries_alone_are_enough_from_training_to_the_bundle(folders, config, tmp_path):
    model, bundle = tmp_path / "model", tmp_path / "bundle"
    trained = train(Dataset.load(folders / "alone"), model, config)
    assert trained.card.split == "queries"
    assert trained.card.validation["tower/ndcg@10"] > 0.7
    export(model, bundle, ExportConfig())
    result = evaluate(folders / "alone", model, bundle)
    assert (result.notes["split"], result.notes["cases"]) == ("queries", "20")
    assert set(result.baselines) == {"bm25", "tf-idf", "frozen-text"}
    best = max(figures["ndcg@10"] for figures in result.baselines.values())
    assert min(result.metrics["ndcg@10"], result.metrics["model/ndcg@10"]) > best
    query = "living small cup grey"  # of a test query's form
    assert Recommender.load(bundle).recommend(query=query, k=1)[0].id == "red-0"


def test_every_model_of_a_data_set_may_be_asked_its_test_queries(folders, toy_config, tmp_path):
    train(Dataset.load(folders / "both"), tmp_path / "model", toy_config)
    result = evaluate(folders / "both", tmp_path / "model", None, split="queries")
    assert result.notes["cases"] == "20"
    with pytest.raises(DataError, match="was trained with split"):
        evaluate(folders / "both", tmp_path / "model", None, split="global-time")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("kind", {"kind": "factorisation"}),
        ("encoder.tune", {"encoder": {"tune": "lora"}}),
        ("request_weight", {"training": {"request_weight": 0.0}}),
    ],
)
def test_what_queries_alone_can_not_teach_is_refused(folders, toy_config, key, change):
    dataset = Dataset.load(folders / "alone")
    changed = {
        name: msgspec.structs.replace(getattr(toy_config, name), **value) if isinstance(value, dict) else value
        for name, value in change.items()
    }
    with pytest.raises(ConfigError, match=key):
        fit_model(dataset, make_split(dataset, "queries"), msgspec.structs.replace(toy_config, **changed), seed=0)


def test_a_data_set_without_test_queries_is_not_cut_by_them(shop):
    with pytest.raises(DataError, match="0 queries to learn from and 0 to test"):
        make_split(shop, "queries")


def test_held_out_queries_are_saved_as_they_were(tmp_path):
    nothing, answers = np.zeros(0, np.int32), np.array([1, 4], np.int32)
    cases = HeldOut(np.arange(2, dtype=np.int32), [nothing] * 2, [answers] * 2, ["tea", "é ☕"])
    cases.save(tmp_path / "cases.npz")
    loaded = HeldOut.load(tmp_path / "cases.npz")
    assert loaded.queries == cases.queries
    assert [rows.tolist() for rows in loaded.targets] == [[1, 4], [1, 4]]
    assert loaded.chosen(np.array([1])).queries == ["é ☕"]
    dataclasses.replace(cases, queries=None).save(tmp_path / "cases.npz")
    assert HeldOut.load(tmp_path / "cases.npz").queries is None


def test_a_loaded_model_searches_as_before(folders, toy_config, tmp_path):
    model = train(Dataset.load(folders / "alone"), tmp_path / "model", toy_config)
    asked = ["small red cup", "lamp"]
    first = ModelRanker(model).search(asked, 5)
    assert np.array_equal(ModelRanker(Model.load(tmp_path / "model")).search(asked, 5), first)
