"""Evaluate a model, a bundle or both against all baselines."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pocketrec.errors import DataError
from pocketrec.manifest import Manifest
from pocketrec.results import Result
from pocketrec.text import TextTemplate
from pocketrec_export.model import Model, read_card
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.evaluate.baselines import fit_baselines, fit_searchers
from pocketrec_training.evaluate.bundle_ranker import BundleRanker
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.figures import Figures, measure_all, measure_searches
from pocketrec_training.evaluate.measurement import Yardstick
from pocketrec_training.evaluate.model_ranker import ModelRanker, TowerRanker, VoteRanker
from pocketrec_training.evaluate.ranker import Ranker, Searcher
from pocketrec_training.evaluate.report import EvaluationOptions, as_result, facts_of, frozen_vectors
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.trends import recent_popularity

_WHOLE = 1_000_000
"""Characters of a text that baselines search, which is what a search engine would do."""


def evaluate(
    data: Path,
    model: Path | None,
    bundle: Path | None,
    split: str | None = None,
    options: EvaluationOptions | None = None,
    cases: Path | None = None,
) -> Result:
    """Measure on the test cases of the split that the subject was trained with, or on the test queries.

    Args:
        data: Folder of the data set it was trained on.
        model: Folder of a trained model.
        bundle: Folder of a bundle, asked through the runtime. With both, the bundle is the subject and the
            model's figures stand under `model/`.
        split: Name of the split; that which the subject records, by default. `queries` suits every subject: queries
            that test are never learnt from.
        options: What to measure.
        cases: File to write each ranker's value of each case to; see `CaseFile`.

    Raises:
        ValueError: Neither model nor bundle is given.
        DataError: The subject was trained on another data set or split: its figures would be of seen data.
    """
    options = options or EvaluationOptions()
    if model is None and bundle is None:
        raise ValueError("nothing to evaluate: give --model, --bundle or both")
    started = time.perf_counter()
    dataset = Dataset.load(data)
    if bundle is not None:
        origin = Manifest.read(bundle).provenance
        split = _checked(bundle, origin.get("split", ""), origin.get("dataset_digest", ""), dataset, split)
    if model is not None:
        card = read_card(model)
        split = _checked(model, card.split, card.dataset_digest, dataset, split)
    parts = make_split(dataset, str(split))
    typed = parts.test.queries is not None
    template = TextTemplate(max_characters=_WHOLE) if typed else TextTemplate()
    texts = [template.render(item) for item in dataset.items]
    vectors = frozen_vectors(texts, search=typed)
    yardstick = Yardstick.of(parts, vectors, options.at)
    if typed:
        subjects = measure_searches(_searchers(dataset, model, bundle), yardstick)
        searchers = fit_searchers(parts, texts, partial(frozen_vectors, search=True))
        compared = measure_searches(searchers if options.baselines else (), yardstick)
    else:
        subjects = measure_all(_subjects(dataset, model, bundle), yardstick, options.unmasked)
        recent = recent_popularity(dataset, parts) if options.baselines else None
        baselines = fit_baselines(parts, texts, vectors, options.seed, recent)
        compared = measure_all(baselines if options.baselines else (), yardstick, options.unmasked)
    if cases is not None:
        CaseFile.of({**subjects, **compared}).save(cases)
    figures = Figures.of(subjects, compared, options.seed)
    return as_result("evaluate", figures, facts_of(dataset, parts), options, started)


def _subjects(dataset: Dataset, model: Path | None, bundle: Path | None) -> Iterator[tuple[str, Ranker]]:
    if bundle is not None:
        yield "bundle", BundleRanker.load(bundle, [item.id for item in dataset.items])
    if model is not None:
        loaded = Model.load(model)
        yield "model", ModelRanker(loaded)
        yield "tower", TowerRanker(loaded)
        for width in loaded.card.slices:
            yield f"tower-{width}", TowerRanker(loaded, width)
        yield "neighbours", VoteRanker(loaded.neighbours)
        yield "followers", VoteRanker(loaded.followers)


def _searchers(dataset: Dataset, model: Path | None, bundle: Path | None) -> Iterator[tuple[str, Searcher]]:
    if bundle is not None:
        yield "bundle", BundleRanker.load(bundle, [item.id for item in dataset.items])
    if model is not None:
        yield "model", ModelRanker(Model.load(model))


def _checked(folder: Path, trained_split: str, trained_digest: str, dataset: Dataset, split: str | None) -> str:
    """The split to use, once it is sure that the test cases weren't learnt from."""
    if trained_digest != dataset_digest(dataset.card):
        raise DataError(
            f"{folder} was trained on another data set than {dataset.card.name} "
            f"(digest {trained_digest[:12] or 'not recorded'}, not {dataset_digest(dataset.card)[:12]}): "
            "give the --data it was trained on, or train on this one"
        )
    if split is not None and split not in (trained_split, "queries"):
        raise DataError(
            f"{folder} was trained with split {trained_split!r}, so on test cases of {split!r}: "
            f"leave --split out, or train with --set split={split}"
        )
    return split or trained_split
