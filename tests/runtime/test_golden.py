"""Bundles of every format that there has been still open, and answer as they did."""

import json
from pathlib import Path

import pytest

from pocketrec import Recommender
from pocketrec.cli import main
from pocketrec.manifest import FORMAT, Manifest

GOLDEN = Path(__file__).parents[1] / "golden"
FORMATS = sorted(path for path in GOLDEN.glob("format-*"))


def test_every_format_has_its_golden_bundle():
    assert [path.name for path in FORMATS] == [f"format-{number}" for number in range(1, FORMAT + 1)]
    assert [f"format-{Manifest.read(path / 'bundle').format}" for path in FORMATS] == [path.name for path in FORMATS]


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_it_answers_as_it_did(folder):
    recommender = Recommender.load(folder / "bundle")
    for line in json.loads((folder / "answers.json").read_text()):
        best = recommender.recommend(**line["request"], k=5)
        assert [one.id for one in best] == line["ids"]
        assert [one.score for one in best] == pytest.approx(line["scores"], abs=2e-2)


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_its_proof_still_holds(folder):
    assert main(["verify", str(folder / "bundle")]) == 0
