"""The graphs of a bundle run where there is no Python: in onnxruntime-web's WebAssembly, by Node."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pocketrec import Recommender
from pocketrec.graphs import INPUTS, Graph

SCRIPT = Path(__file__).parent / "web"
REQUESTS = 100

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node with npm")


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A folder with onnxruntime-web and the script."""
    folder = tmp_path_factory.mktemp("web")
    shutil.copytree(SCRIPT, folder, dirs_exist_ok=True)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    subprocess.run(["npm", "install", *quiet], cwd=folder, check=True, timeout=300)
    return folder


def plain(feed):
    return {name: {"shape": array.shape, "data": array.ravel().tolist()} for name, array in feed.items()}


def recorded(bundle, monkeypatch):
    """What the graphs were fed for each request, and the places of the ten best candidates."""
    fed, best = {}, []
    run = Graph.run

    def spy(self, inputs):
        role = next(role for role, names in INPUTS.items() if set(names) == set(inputs))
        fed[role] = inputs
        output = run(self, inputs)
        if role == "scorer":
            best.append((-output[0]).argsort(kind="stable")[:10].tolist())
        return output

    monkeypatch.setattr(Graph, "run", spy)
    recommender, random, requests = Recommender.load(bundle), np.random.default_rng(0), []
    ids = sorted(recommender._bundle.catalogue.rows)
    for place in range(REQUESTS):
        history = random.choice(ids, random.integers(1, 9), replace=False).tolist()
        title = recommender.item(history[-1]).title
        fed.clear()
        recommender.recommend(history, query=f"{title} {place}" if place % 2 else None)
        requests.append({role: plain(feed) for role, feed in fed.items()})
    return requests, best


def test_node_gives_the_same_ten_for_a_hundred_requests(toy_bundle, node, tmp_path, monkeypatch):
    requests, best = recorded(toy_bundle, monkeypatch)
    assert sum("encoder" in request for request in requests) == REQUESTS // 2
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    answered = subprocess.run(
        ["node", "replay.mjs", str(toy_bundle), str(tmp_path / "requests.json")],
        cwd=node,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert json.loads(answered.stdout) == best
