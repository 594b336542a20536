"""Pocketrec beside SASRec of RecTools: ids alone, trained on the same histories, asked the same test cases.

SASRec (Kang and McAuley, 2018) as RecTools has it: two blocks over item ids and a softmax over the catalogue, or with
`--negatives` over some items drawn at random. Validation users choose the number of epochs, within the minutes that
Pocketrec's training took or `--minutes`; then a fresh one learns for so long from everything before the test, as
Pocketrec's last lesson does. That second training isn't counted.

It is evaluated by the code that evaluates Pocketrec: full ranking, history masked, intervals, paired test. How to run
it: bench/README.md.
"""

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from beside import Experiment
from numpy.typing import NDArray

from pocketrec.errors import DataError
from pocketrec.rankings import ndcg
from pocketrec_training.evaluate.baselines.popularity import Popularity
from pocketrec_training.evaluate.measurement import Yardstick
from pocketrec_training.evaluate.ranker import Histories, Mask
from pocketrec_training.evaluate.report import frozen_vectors
from pocketrec_training.evaluate.splits import Split

PEER = "sasrec-rectools"
VALIDATION = 4000
"""Most validation cases that choose the number of epochs."""
PATIENCE = 5
"""Looks at validation without a better figure, after which the search ends."""


@dataclass(frozen=True, slots=True)
class SasRec:
    """SASRec in its own process: trains, and ranks."""

    process: subprocess.Popen[str]
    requests: IO[str]
    replies: IO[str]
    folder: Path
    version: str
    """Of RecTools."""

    @classmethod
    def start(cls, python: Path, settings: dict[str, object], folder: Path) -> "SasRec":
        """Start an untrained one.

        Args:
            python: Interpreter of an environment with RecTools.
            settings: Of `rectools.models.SASRecModel`.
            folder: For what goes to and fro.
        """
        worker = Path(__file__).with_name("rectools_worker.py")
        process = subprocess.Popen(
            [str(python), str(worker), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "worker.log").open("w"),
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        return cls(process, process.stdin, process.stdout, folder, process.stdout.readline().strip())

    def train(self, histories: Histories, epochs: int) -> None:
        """Go on for some epochs; the histories are those of the first call."""
        self._ask({"train": self._stored(histories), "epochs": epochs})

    def rank(
        self, histories: Histories, k: int, allow_seen: bool = False, among: Mask | None = None
    ) -> NDArray[np.int32]:
        """As `Ranker.rank` says."""
        to = self.folder / "ranked.npz"
        chosen = None if among is None else np.flatnonzero(among).tolist()
        asked = {"rank": self._stored(histories), "to": str(to), "k": k, "allow_seen": allow_seen, "among": chosen}
        self._ask(asked)
        ranked: NDArray[np.int32] = np.load(to)["ranked"]
        return ranked

    def end(self) -> None:
        """Let the process go."""
        self.requests.close()
        self.process.wait()

    def _stored(self, histories: Histories) -> str:
        path = self.folder / "histories.npz"
        rows = np.concatenate([*histories, np.zeros(0, np.int32)])
        np.savez(path, rows=rows, lengths=[len(line) for line in histories])
        return str(path)

    def _ask(self, command: dict[str, object]) -> None:
        self.requests.write(json.dumps(command) + "\n")
        self.requests.flush()
        while (reply := self.replies.readline().strip()) != "done":  # RecTools may print too
            if not reply and self.process.poll() is not None:
                words = (self.folder / "worker.log").read_text().strip().splitlines()
                raise DataError(f"RecTools ended: {words[-1] if words else 'it said nothing'}")


@dataclass(frozen=True, slots=True)
class Backed:
    """A ranker, and popularity for histories that it has no answer to."""

    ranker: SasRec
    popularity: Popularity

    def rank(
        self, histories: Histories, k: int, allow_seen: bool = False, among: Mask | None = None
    ) -> NDArray[np.int32]:
        """As `Ranker.rank` says."""
        ranked = self.ranker.rank(histories, k, allow_seen, among)
        silent = np.flatnonzero(ranked[:, 0] < 0)
        if len(silent):
            ranked[silent] = self.popularity.rank([histories[line] for line in silent], k, allow_seen, among)
        return ranked


def main() -> None:
    """Train the peer, evaluate it, and set it beside the experiment's figures."""
    asked, started = _arguments(), time.perf_counter()
    ours = Experiment.read(asked.experiment, asked.seed)
    seconds, items, final = ours.seconds(asked.minutes), len(ours.dataset.items), ours.split.final()
    settings: dict[str, object] = {
        "n_factors": asked.factors,
        "session_max_len": ours.card.tower.history,
        "loss": "sampled_softmax" if asked.negatives else "softmax",
        "n_negatives": asked.negatives or 1,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        searched = SasRec.start(asked.python, settings, folder)
        epochs, validation = best_epochs(searched, ours.split, seconds, asked.every)
        last = SasRec.start(asked.python, settings, folder)
        last.train(final.fit, epochs)
        popular = Popularity.fit(final.fit, items)
        facts = {
            "model": f"SASRecModel({', '.join(f'{key}={value!r}' for key, value in settings.items())})",
            "epochs": f"{epochs} of those tried in {seconds / 60:.1f} minutes (validation NDCG@10 {validation:.4f})",
        }
        ours.set_beside(
            (PEER, Backed(last, popular)),
            ("popularity", popular),
            Yardstick.of(ours.split, frozen_vectors([ours.card.template.render(item) for item in ours.dataset.items])),
            facts,
            {"train_s": seconds, "epochs": float(epochs)},
            last.version,
            asked.json,
            started,
        )
        last.end()
    print(f"\n{epochs} epochs, chosen on validation ({validation:.4f}) within {seconds / 60:.1f} minutes")


def best_epochs(model: SasRec, split: Split, seconds: float, every: int) -> tuple[int, float]:
    """How long to train, and NDCG@10 on validation after that."""
    cases, begun = split.validation.sample(VALIDATION, seed=0), time.perf_counter()
    figures: list[float] = []
    while time.perf_counter() - begun < seconds and len(figures) - int(np.argmax(figures or [0])) <= PATIENCE:
        model.train(split.fit, every)
        figures.append(float(np.mean(ndcg(model.rank(cases.histories, 10), cases.targets))))
        print(f"epoch {every * len(figures)}: validation NDCG@10 {figures[-1]:.4f}", flush=True)
    model.end()
    return every * (int(np.argmax(figures)) + 1), max(figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "experiment", type=Path, help="folder in which `pocketrec experiment` worked, such as build/NAME"
    )
    parser.add_argument("--python", type=Path, required=True, help="interpreter of an environment with RecTools")
    parser.add_argument("--seed", type=int, default=0, help="which of the experiment's (default 0)")
    parser.add_argument("--minutes", type=float, help="to train for (default: as long as the experiment took)")
    parser.add_argument("--factors", type=int, default=256, help="width (default 256, as RecTools has it)")
    parser.add_argument("--negatives", type=int, default=0, help="items drawn against each target (default: all items)")
    parser.add_argument("--every", type=int, default=2, help="epochs between two looks at validation (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result, with each case beside it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
