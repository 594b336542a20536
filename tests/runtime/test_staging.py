"""Nothing of anybody's is replaced but what this program wrote, and that by something whole."""

import pytest

from pocketrec.errors import DataError
from pocketrec.staging import check_replaceable, staged_folder, write_whole

OURS = ("mark.json", "data", "*.ort")


def folder_of(path, *names):
    path.mkdir()
    for name in names:
        (path / name).write_text(name)
    return path


def test_what_we_wrote_an_empty_folder_and_a_new_one_may_be_taken(tmp_path):
    for name, files in (("empty", ()), ("whole", ("mark.json", "data", "user.ort")), ("part", ("mark.json",))):
        check_replaceable(folder_of(tmp_path / name, *files), "a thing", OURS)
    check_replaceable(tmp_path / "new", "a thing", OURS)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (("letter.txt",), "exists and is not a thing"),
        (("data",), "exists and is not a thing"),  # without what tells it
        (("mark.json", "letter.txt"), r"letter\.txt isn't part of a thing and would be lost"),
        (("mark.json", "data", ".hidden"), r"\.hidden isn't part of a thing"),
    ],
)
def test_anything_else_stops_it(tmp_path, files, says):
    with pytest.raises(DataError, match=says):
        check_replaceable(folder_of(tmp_path / "mine", *files), "a thing", OURS)
    (tmp_path / "file").write_text("dear")
    with pytest.raises(DataError, match="exists and is not"):
        check_replaceable(tmp_path / "file", "a thing", OURS)


def test_where_nothing_tells_it_only_an_empty_folder_may_be_taken(tmp_path):
    check_replaceable(folder_of(tmp_path / "empty"), "a thing", ())
    with pytest.raises(DataError):
        check_replaceable(folder_of(tmp_path / "mine", "manifest.json"), "a thing", ())


def test_a_folder_whose_place_cannot_be_taken_stands_again(tmp_path, monkeypatch):
    target = folder_of(tmp_path / "target", "old")
    rename = type(target).rename

    def refused(path, to):
        if path.name.startswith(".target-") and "old" not in path.name:
            raise OSError("no")
        return rename(path, to)

    monkeypatch.setattr(type(target), "rename", refused)
    with pytest.raises(OSError, match="no"), staged_folder(target) as aside:
        (aside / "new").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["target", "target/old"]


def test_a_link_goes_on_leading_to_the_file_that_is_written(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_device_is_written_to_and_stays_one(capfd):
    from pathlib import Path

    write_whole(Path("/dev/stdout"), b"{}")
    assert capfd.readouterr().out == "{}"
    assert not Path("/dev/stdout").resolve().is_file()
