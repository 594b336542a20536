"""Make the golden bundle of the present format: python tests/golden/make.py

A toy shop's bundle, and what it answers, in tests/golden/format-N. It is made once, when a format is new, and never
again: tests/runtime/test_golden.py shows that later versions still open it and answer the same.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from toys import write_encoder, write_shop

from pocketrec import Recommender
from pocketrec.cli import main
from pocketrec.manifest import FORMAT

REQUESTS: tuple[dict[str, object], ...] = (
    {"history": ["red-1", "red-2"]},
    {"history": ["blue-4"], "query": "small lamp"},
    {"query": "green vase"},
    {"context": "kitchen"},
    {"history": ["grey-0", "grey-1", "grey-2"], "where": {"categories": "living"}},
    {},
)
SMALL = (
    "dim=8",
    "encoder.max_tokens=16",
    "tower.hidden=16",
    "tower.history=10",
    "training.epochs=6",
    "training.batch=16",
)
SETTINGS = (*SMALL, "training.rate=0.01", "scorer.hidden=4", "scorer_training.epochs=10", "candidates=12")


def answers(bundle: Path) -> list[object]:
    """Each request with the ids and scores of its five best."""
    recommender = Recommender.load(bundle)
    found = [recommender.recommend(**request, k=5) for request in REQUESTS]
    return [
        {"request": request, "ids": [one.id for one in best], "scores": [round(one.score, 4) for one in best]}
        for request, best in zip(REQUESTS, found, strict=True)
    ]


if __name__ == "__main__":
    out = Path(__file__).parent / f"format-{FORMAT}"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_shop(work / "shop")
        encoder = write_encoder(work / "encoder", hidden=16, layers=1)
        changes = [word for line in (*SETTINGS, f'encoder.folder="{encoder}"') for word in ("--set", line)]
        for line in (
            ["prepare", str(work / "shop"), "--out", str(work / "dataset")],
            ["train", "--data", str(work / "dataset"), "--out", str(work / "model"), *changes],
            ["export", "--model", str(work / "model"), "--out", str(out / "bundle")],
        ):
            if code := main(line):
                sys.exit(code)
    (out / "answers.json").write_text(json.dumps(answers(out / "bundle"), indent=1) + "\n")
