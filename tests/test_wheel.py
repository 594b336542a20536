"""The wheel: what it holds, and that it answers where nothing but its own light dependencies is installed."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("pocketrec", "pocketrec_export", "pocketrec_training", "pocketrec_bench")
ASK = """
import importlib.util, sys
assert not any(importlib.util.find_spec(name) for name in ("torch", "transformers", "pandas", "scipy"))
from pocketrec import Item, Recommender
recommender = Recommender.load(sys.argv[1], overlay=sys.argv[2])
assert "site-packages" in sys.modules["pocketrec"].__file__
best = recommender.recommend(history=["red-1", "red-2"], k=5)
assert best[0].id == "red-3", best
assert len(recommender.recommend(query="green lamp", k=5)) == 5
recommender.upsert([Item(id="new", title="red cup")])
assert recommender.item("new").title == "red cup"
print(best[0].item.title)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)])
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def light_python(wheel, tmp_path_factory):
    """An environment with the wheel, what it asks for, and no extra."""
    folder = tmp_path_factory.mktemp("light")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pins = ROOT / "constraints" / "py311.txt"
    _run([str(python), "-m", "pip", "install", "--quiet", "-c", str(pins), str(wheel)])
    return python


def test_the_wheel_holds_every_module_of_the_four_packages_and_nothing_else(wheel):
    held = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    code = {path for path in held if not path.parts[0].endswith(".dist-info")}
    parts = [ROOT / part for part in ("runtime", "export", "training", "bench")]
    # Beside its package a part may hold what concerns this repository alone: training/configs, bench/results.
    packages = [(part, folder) for part in parts for folder in part.iterdir() if folder.name in PACKAGES]
    source = {path.relative_to(part) for part, folder in packages for path in folder.rglob("*") if _ships(path)}
    assert code == source
    assert {path.parts[0] for path in code} == set(PACKAGES)
    assert {Path(package, "py.typed") for package in PACKAGES} <= code
    assert any(path.name == "LICENSE" for path in held)


def test_the_wheel_alone_loads_a_bundle_and_recommends(light_python, toy_bundle, tmp_path):
    assert _run([str(light_python), "-c", ASK, str(toy_bundle), str(tmp_path / "state")]).strip() == "red clock"


def test_the_wheel_brings_only_the_runtimes_dependencies(light_python):
    listed = _run([str(light_python), "-m", "pip", "list", "--format=freeze"])
    names = {line.partition("==")[0].lower() for line in listed.split()}
    assert {"pocketrec", "numpy", "onnxruntime", "hnswlib", "tokenizers", "msgspec"} <= names
    assert not names & {"torch", "transformers", "onnx", "polars", "scipy", "matplotlib", "pandas", "scikit-learn"}


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("train --data d --out m", "training"),
        ("prepare --demo ml-100k --out d", "training"),
        ("export --model m --out b", "export"),
        ("bench --bundle b", "bench"),
        ("model export-st --model m --out d", "export"),
        ("tune --data d --trials 2", "tune"),
    ],
)
def test_a_heavy_command_names_the_extra_that_brings_it(light_python, words, extra, tmp_path):
    program = light_python.parent / "pocketrec"
    done = subprocess.run(
        [str(program), *words.split()], cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"pip install 'pocketrec[{extra}]'" in done.stderr


def _ships(path):
    return path.is_file() and "__pycache__" not in path.parts


def _environment():
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _run(words):
    done = subprocess.run(words, env=_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
