"""Pocketrec beside sentence-transformers, trained on the same behaviour, for the same minutes, on the same cores.

The peer is what a reader of its documentation would do: all-MiniLM-L6-v2 as it comes, `SentenceTransformerTrainer` with
`MultipleNegativesRankingLoss` and batches without duplicates, on pairs from the histories that models learn from: the
text of an item, or of a history's newest items (`--query history`), with the text of the item that came next. Its
learning rate rises over the first twentieth of the time and falls to zero over the rest.

It is evaluated by the code that evaluates Pocketrec, on the same test cases: full ranking, history masked, intervals.
Where single items ask, validation cases choose how many of the newest have a say. How to run it: bench/README.md.

Without `--minutes` the peer trains as long as Pocketrec did, from the reading of texts to the scorer. Opening the model
before that, and encoding the catalogue after it, cost the peer nothing.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from beside import Experiment
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pocketrec.rankings import ndcg
from pocketrec_training.encoder.default import default_encoder
from pocketrec_training.evaluate.baselines.baseline import Baseline
from pocketrec_training.evaluate.baselines.frozen_text import FrozenText
from pocketrec_training.evaluate.measurement import Yardstick
from pocketrec_training.evaluate.ranker import Histories
from pocketrec_training.evaluate.report import frozen_vectors
from pocketrec_training.evaluate.splits import Split

PEER = "sentence-transformers"
NEWEST = (1, 2, 3, 5, 10)
"""How many of a history's newest items may have a say, where single items ask."""
VALIDATION = 4000
"""Most validation cases that choose among them."""
PAST, PAST_TOKENS = 5, 256
"""Newest items whose texts make one query, and what is read of them: all that all-MiniLM-L6-v2 states."""

Query = Literal["item", "history"]
Rows = NDArray[np.int32]


def main() -> None:
    """Train the peer, evaluate it, and set it beside the experiment's figures."""
    asked, started = _arguments(), time.perf_counter()
    ours = Experiment.read(asked.experiment, asked.seed)
    card, split, seconds = ours.card, ours.split, ours.seconds(asked.minutes)
    texts = [card.template.render(item) for item in ours.dataset.items]

    model = SentenceTransformer(str(default_encoder()), device="cpu")
    model.max_seq_length = card.max_tokens if asked.query == "item" else PAST_TOKENS
    steps = train(model, list(pairs(split.fit, texts, asked.query)), seconds, asked.batch, asked.rate, asked.seed)
    ranker, said = best_ranker(model, split, texts, asked.query)

    yardstick = Yardstick.of(split, frozen_vectors(texts))
    facts = {
        "pairs": f"{asked.query} -> next item, {asked.batch} a batch without duplicates, peak rate {asked.rate:g}",
        "ranked by": said,
        "threads": str(torch.get_num_threads()),
    }
    ours.set_beside(
        (PEER, ranker),
        ("frozen-text", FrozenText.fit(yardstick.vectors, split.popularity(len(texts)))),
        yardstick,
        facts,
        {"train_s": seconds, "steps": float(steps)},
        version(PEER),
        asked.json,
        started,
    )
    print(
        f"\ntrained for {seconds / 60:.1f} minutes, {steps} steps ({PEER}), "
        f"and {ours.trained.duration_s / 60:.1f} (pocketrec)"
    )


def pairs(fit: Sequence[Rows], texts: Sequence[str], query: Query) -> Iterator[tuple[str, str]]:
    """What asks, and what was taken next, as texts.

    Args:
        fit: Item rows of each user, oldest first.
        texts: Of all items.
        query: Whether one item asks, or the newest few.

    Example:
        >>> list(pairs([np.array([0, 1, 2])], ["cup", "lamp", "rug"], "history"))
        [('cup', 'lamp'), ('lamp | cup', 'rug')]
    """
    for rows in fit:
        for place in range(1, len(rows)):
            newest = rows[place - 1 : place] if query == "item" else rows[:place]
            yield past_text(newest, texts), texts[rows[place]]


def past_text(rows: Rows, texts: Sequence[str]) -> str:
    """Texts of the newest items, the newest first: what is too long loses its end."""
    return " | ".join(texts[row] for row in rows[::-1][:PAST])


class Clock(TrainerCallback):  # type: ignore[misc]
    """Ends a training when its time is over, and gives the learning rate its course over that time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun = float("inf")

    def gone(self) -> float:
        """Share of the time, 0 before training begins."""
        return max(0.0, (time.perf_counter() - self.begun) / self.seconds)

    def rate(self, step: int) -> float:
        """Share of the peak learning rate, up and down again; the first step gets a little too."""
        return max(0.0, min(0.01 + 20 * self.gone(), 1.0) * (1.0 - self.gone()))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: object
    ) -> None:
        """Start."""
        self.begun = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: object
    ) -> None:
        """Stop where the time is over."""
        control.should_training_stop = self.gone() >= 1


def train(
    model: SentenceTransformer, learnt: list[tuple[str, str]], seconds: float, batch: int, rate: float, seed: int
) -> int:
    """Fine-tune the model where it is, until the time is over; returns the number of steps."""
    from datasets import Dataset as Table

    clock = Clock(seconds)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                output_dir=folder,
                num_train_epochs=1000,  # the clock ends it
                per_device_train_batch_size=batch,
                batch_sampler="no_duplicates",
                seed=seed,
                use_cpu=True,
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,  # it would count towards a thousand epochs
                report_to="none",
            ),
            train_dataset=Table.from_dict(
                {"query": [asks for asks, _ in learnt], "next": [came for _, came in learnt]}
            ),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[clock],
            optimizers=(optimiser, LambdaLR(optimiser, clock.rate)),
        )
        trainer.train()
    model.eval()
    return int(trainer.state.global_step)


@dataclass(frozen=True, slots=True)
class PastText(Baseline):
    """Inner product with the vector of a history's newest texts, read as one."""

    model: SentenceTransformer
    texts: list[str]
    vectors: NDArray[np.float32]
    items: int

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Inner products."""
        scores: NDArray[np.float32] = (
            encode(self.model, [past_text(rows, self.texts) for rows in histories]) @ self.vectors.T
        )
        return scores


def best_ranker(model: SentenceTransformer, split: Split, texts: list[str], query: Query) -> tuple[Baseline, str]:
    """The trained model as a ranker, and in words what asks."""
    vectors = encode(model, texts)
    if query == "history":
        return PastText(model, texts, vectors, len(texts)), f"texts of the {PAST} newest items as one"
    cases = split.validation.sample(VALIDATION, seed=0)
    popularity = split.popularity(len(texts))
    rankers = {newest: FrozenText.fit(vectors, popularity, newest) for newest in NEWEST}
    figures = {
        newest: float(np.mean(ndcg(ranker.rank(cases.histories, 10), cases.targets)))
        for newest, ranker in rankers.items()
    }
    best = max(NEWEST, key=lambda newest: figures[newest])
    return rankers[best], f"mean vector of the {best} newest items (validation NDCG@10 {figures[best]:.4f})"


def encode(model: SentenceTransformer, texts: list[str]) -> NDArray[np.float32]:
    """Unit vectors, float32 [texts, width]."""
    vectors: NDArray[np.float32] = model.encode(texts, normalize_embeddings=True, convert_to_numpy=True)
    return vectors


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "experiment", type=Path, help="folder in which `pocketrec experiment` worked, such as build/NAME"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the peer, and which of the experiment's (default 0)")
    parser.add_argument("--minutes", type=float, help="to train for (default: as long as the experiment took)")
    parser.add_argument("--query", choices=("item", "history"), default="item", help="what asks for the next item")
    parser.add_argument("--batch", type=int, default=128, help="pairs in a step (default 128)")
    parser.add_argument("--rate", type=float, default=2e-5, help="peak learning rate (default 2e-5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result, with each case beside it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
