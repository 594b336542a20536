"""One model, one bundle: the same bytes in every file, whoever exports it and whenever."""

import os
import subprocess
import sys

from pocketrec.manifest import Manifest
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


def test_another_index_is_another_bundle(toy_model, toy_bundle, tmp_path):
    config = ExportConfig()
    other = export(toy_model, tmp_path / "other", type(config)(index=type(config.index)(m=8)))
    assert other.manifest.digest != Manifest.read(toy_bundle).digest
