"""Every benchmark data set goes through prepare and a short training, without special cases."""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.neighbours.choice import NeighbourChoiceConfig
from pocketrec_training.neighbours.followers import FollowerConfig
from pocketrec_training.neighbours.text_ease import NeighbourConfig
from pocketrec_training.prepare import find_source, prepare
from pocketrec_training.train import fit_model

FOLDER = os.environ.get("POCKETREC_DATA")
NAMES = (
    "amazon-beauty-s3",
    "amazon-sports-s3",
    "amazon-toys-s3",
    "goodbooks-5pct-users",
    "lastfm2k",
    "movietweetings-100k",
    "scifact",
    "uci-online-retail",
    "uci-online-retail-unisrec",
)


@pytest.mark.data
@pytest.mark.skipif(not FOLDER, reason="POCKETREC_DATA names no folder of data sets")
@pytest.mark.parametrize("name", NAMES)
def test_data_set_trains_and_ranks(name, toy_config, tmp_path):
    prepare(find_source(Path(FOLDER) / name), tmp_path / "dataset")
    dataset = Dataset.load(tmp_path / "dataset")
    # One epoch, a sampled softmax and plain cosines: it is the way through that is tested, not how good it gets.
    config = msgspec.structs.replace(
        toy_config,
        training=msgspec.structs.replace(toy_config.training, epochs=1, batch=256, full_softmax_items=1000),
        scorer_training=msgspec.structs.replace(toy_config.scorer_training, cases=300, epochs=3),
        neighbours=NeighbourChoiceConfig(
            fits=(NeighbourConfig(max_items=1000),),
            decays=(0.9,),
            followers=(FollowerConfig(max_items=1000),),
            cases=200,
        ),
    )
    split = make_split(dataset, "leave-last-out")
    model = fit_model(dataset, split, config, seed=0)
    test = split.test.sample(50, seed=0)
    ranker = ModelRanker(model)
    ranked = ranker.rank(test.histories, k=10) if test.queries is None else ranker.search(test.queries, k=10)
    assert ranked.shape == (50, 10)
    assert (ranked >= 0).all()
    assert all(len(set(line)) == 10 for line in ranked)
    assert not any(np.isin(line, rows).any() for line, rows in zip(ranked, test.histories, strict=True))
