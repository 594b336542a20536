"""Where things are kept between runs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pocketrec_export import text_vectors as module
from pocketrec_export.cache import cache_folder
from pocketrec_export.text_vectors import text_vectors


@pytest.fixture(scope="module")
def early():
    """The folder as a fixture sees it that is made before those of a single test."""
    return cache_folder()


def test_no_fixture_writes_into_the_users_cache(early, tmp_path_factory):
    assert tmp_path_factory.getbasetemp() in early.parents


def test_the_folder_that_was_named_comes_first_then_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("POCKETREC_CACHE", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("POCKETREC_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "pocketrec"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "pocketrec"


def test_vectors_of_another_tokenizer_or_shape_are_not_taken_from_the_cache(toy_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("POCKETREC_CACHE", str(tmp_path / "cache"))
    shutil.copytree(toy_encoder, tmp_path / "encoder")
    before = text_vectors(["red cup"], tmp_path / "encoder", "mean", 16, "")
    tokenizer = tmp_path / "encoder" / "tokenizer.json"
    content = tokenizer.read_text()
    tokenizer.write_text(content + "\n")
    text_vectors(["red cup"], tmp_path / "encoder", "mean", 16, "")
    assert len(list((tmp_path / "cache" / "vectors").iterdir())) == 2
    tokenizer.write_text(content)
    assert np.array_equal(text_vectors(["red cup"], tmp_path / "encoder", "mean", 16, ""), before)
    assert len(list((tmp_path / "cache" / "vectors").iterdir())) == 2


def test_vectors_of_another_pytorch_or_cpu_are_not_taken_from_the_cache(toy_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("POCKETREC_CACHE", str(tmp_path))
    for version, cpu in [("2.13.0", "one"), ("2.14.0", "one"), ("2.13.0", "another"), ("2.13.0", "one")]:
        monkeypatch.setattr(torch, "__version__", version)
        monkeypatch.setattr(module, "cpu_name", lambda name=cpu: name)
        text_vectors(["red cup"], toy_encoder, "mean", 16, "")
    assert len(list((tmp_path / "vectors").iterdir())) == 3
