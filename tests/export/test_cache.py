"""Where things are kept between runs."""

from pathlib import Path

from pocketrec_export.cache import cache_folder


def test_the_folder_that_was_named_comes_first_then_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("POCKETREC_CACHE", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("POCKETREC_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "pocketrec"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "pocketrec"
