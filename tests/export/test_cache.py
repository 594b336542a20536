"""Where things are kept between runs."""

import shutil
from pathlib import Path

import numpy as np

from pocketrec_export.cache import cache_folder
from pocketrec_export.text_vectors import text_vectors


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
