"""An environment of its own in which optimum isn't installed: only the route through it is missing."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from toys import write_shop

SMALL = ("dim=16", "encoder.max_tokens=16", "training.epochs=2", "training.batch=16", "scorer_training.epochs=2")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An environment with all packages of this one but optimum's."""
    folder = tmp_path_factory.mktemp("without-optimum")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("optimum") and entry.name != "__pycache__":
            (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def run(python, *words):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(python), *map(str, words)], capture_output=True, text=True, env=environment, timeout=600, check=False
    )


def pocketrec(python, *words):
    done = run(python, "-c", "import sys; from pocketrec.cli import main; sys.exit(main())", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_missing_there_and_installed_here(python):
    assert importlib.metadata.version("optimum")
    asked = run(python, "-c", "import importlib.metadata; importlib.metadata.version('optimum')")
    assert "No package metadata was found for optimum" in asked.stderr
    assert run(python, "-c", "import onnxruntime, torch, transformers").returncode == 0
    assert run(python, "-c", "import sys; print(sys.prefix)").stdout.strip() != sys.prefix


def test_from_raw_logs_to_an_answer_by_every_other_route(python, toy_encoder, tmp_path):
    dataset, model = tmp_path / "dataset", tmp_path / "model"
    pocketrec(python, "prepare", write_shop(tmp_path / "raw"), "--out", dataset)
    settings = [word for line in (*SMALL, f'encoder.folder="{toy_encoder}"') for word in ("--set", line)]
    pocketrec(python, "train", "--data", dataset, "--out", model, *settings)
    for route in ("torch", "dynamo"):
        bundle = tmp_path / route
        assert "Exported" in pocketrec(python, "export", "--model", model, "--out", bundle, "--route", route)
        pocketrec(python, "verify", bundle)
        assert "cases: 120" in pocketrec(python, "evaluate", "--data", dataset, "--bundle", bundle)
        assert "red" in pocketrec(python, "recommend", "--bundle", bundle, "--history", "red-1,red-2", "-k", "3")


def test_its_own_route_is_one_line_that_says_what_to_install(python, toy_model, tmp_path):
    words = ("export", "--model", toy_model, "--out", tmp_path / "bundle", "--route", "optimum")
    done = run(python, "-c", "import sys; from pocketrec.cli import main; sys.exit(main())", *words)
    assert done.returncode != 0
    assert "pip install 'pocketrec[optimum]'" in done.stderr
    assert "Traceback" not in done.stderr
