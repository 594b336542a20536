"""Fixtures that several parts share; the costly ones are made once a run."""

import os

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
# A busy machine must not fail a property by being slow.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory):
    """Folder of the prepared toy shop."""
    from toys import write_shop

    from pocketrec_training.prepare import find_source, prepare

    folder = tmp_path_factory.mktemp("shop")
    prepare(find_source(write_shop(folder / "raw")), folder / "dataset")
    return folder / "dataset"


@pytest.fixture(scope="session")
def shop(shop_folder):
    """The prepared toy shop."""
    from pocketrec_training.dataset import Dataset

    return Dataset.load(shop_folder)


@pytest.fixture(scope="session")
def toy_encoder(tmp_path_factory):
    """Folder of a tiny language model."""
    from toys import write_encoder

    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def toy_config(toy_encoder):
    """Training of the toy shop in seconds."""
    from pocketrec.config import load_config
    from pocketrec_training.train import TrainConfig

    return load_config(
        TrainConfig,
        overrides=[
            f'encoder.folder="{toy_encoder}"',
            "dim=16",
            "encoder.max_tokens=16",
            "tower.hidden=32",
            "tower.history=10",
            "tower.dropout=0.1",
            "training.epochs=6",
            "training.batch=16",
            "training.rate=0.01",
            "scorer.hidden=8",
            "scorer_training.epochs=10",
            "candidates=12",
        ],
    )


@pytest.fixture(scope="session")
def toy_model(shop, toy_config, tmp_path_factory):
    """Folder of a model trained on the toy shop."""
    from pocketrec_training.train import train

    folder = tmp_path_factory.mktemp("model") / "model"
    train(shop, folder, toy_config, seed=0)
    return folder


@pytest.fixture(scope="session")
def toy_bundle(toy_model, tmp_path_factory):
    """The bundle of that model; never write into it."""
    from pocketrec_export.export import ExportConfig, export

    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    export(toy_model, folder, ExportConfig())
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Vectors are cached in the run's own folder, not in the user's, whatever the scope of who wants them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POCKETREC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield
