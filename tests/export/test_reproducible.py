"""One model, one bundle: the same bytes in every file, whoever exports it and whenever."""

import os
import subprocess
import sys

import pytest

from pocketrec.manifest import Manifest
from pocketrec_export.distil.distillation import DistilConfig, NanoConfig, ShallowConfig
from pocketrec_export.export import ExportConfig, export


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_processes_export_one_model_to_the_same_bytes(toy_model, toy_bundle, tmp_path):
    program = "import sys; from pocketrec.cli import main; sys.exit(main())"
    words = ["export", "--model", str(toy_model), "--out", str(tmp_path / "again")]
    subprocess.run(
        [sys.executable, "-c", program, *words],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    first, again = contents(toy_bundle), contents(tmp_path / "again")
    assert sorted(first) == sorted(again)
    assert [name for name in first if first[name] != again[name]] == []
    assert Manifest.read(toy_bundle).digest == Manifest.read(tmp_path / "again").digest


@pytest.mark.parametrize("size", ["small", "tiny", "nano"])
def test_a_student_is_made_and_exported_to_the_same_bytes_too(teacher, tmp_path, size):
    student = DistilConfig(
        held_out=0.2,
        small=ShallowConfig(layers=3, hidden_share=0.5, epochs=2),
        tiny=ShallowConfig(layers=2, epochs=2),
        nano=NanoConfig(width=16, epochs=2),
    )
    for name in ("first", "again"):
        export(teacher, tmp_path / name, ExportConfig(size=size, student=student))
    first, again = contents(tmp_path / "first"), contents(tmp_path / "again")
    assert sorted(first) == sorted(again)
    assert [name for name in first if first[name] != again[name]] == []


def test_another_index_is_another_bundle(toy_model, toy_bundle, tmp_path):
    config = ExportConfig()
    other = export(toy_model, tmp_path / "other", type(config)(index=type(config.index)(m=8)))
    assert other.manifest.digest != Manifest.read(toy_bundle).digest
