"""The search: trial after trial, until the study has as many as asked for."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from optuna.importance import get_param_importances
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial

from pocketrec.errors import DataError
from pocketrec.progress import progress
from pocketrec.staging import write_whole
from pocketrec_export.held_out import HeldOut
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.evaluate.splits import Split, make_split
from pocketrec_training.tuning.report import best_file
from pocketrec_training.tuning.space import SearchSpace
from pocketrec_training.tuning.study import REASON, completed, finished, not_completed, open_study
from pocketrec_training.tuning.trial import Objective, Task

_ENOUGH = 10
"""Completed trials below which importances are chance."""


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How to search."""

    trials: int
    """Finished trials that the study shall have, those of earlier runs among them."""
    seeds: tuple[int, ...] = (0,)
    """A trial trains a model for each and counts their mean: two starts of one tower differ."""
    objective: Objective = "blend"
    """Validation NDCG@10 of the whole model, or of its tower alone, which takes less time."""
    seed: int = 0
    """Of the sampler."""

    def __post_init__(self) -> None:
        """Refuse what can't be searched."""
        if self.trials < 1:
            raise ValueError(f"trials={self.trials}: a search takes one or more")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds}: name one or more, each once")


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study knows."""

    trials: list[FrozenTrial]
    """Completed ones, best first; after them the others, in the order they were run."""
    importance: dict[str, float]
    """How much of what sets the best tenth of trials apart is owed to each setting (PED-ANOVA, Watanabe et al. 2023);
    sums to 1, and is empty where there are too few trials to tell."""

    @property
    def best(self) -> FrozenTrial:
        """The completed trial with the highest figure."""
        return self.trials[0]


def tune(dataset: Dataset, space: SearchSpace, study: Path, out: Path, options: TuneOptions) -> Tuned:
    """Search by validation users; may be killed at any time and taken up by the same call.

    Settings are proposed by a tree of Parzen estimators (TPE, Bergstra et al. 2011), and a trial is given up by the
    median rule (Golovin et al. 2017, "Google Vizier", section 3.2). What is proposed depends on the seed and on
    finished trials alone, so a study that was killed finds what one that never was would have found.

    Args:
        dataset: Prepared data; test cases are taken off before anything is trained.
        space: What to try.
        study: SQLite file of all trials; made if it isn't there.
        out: TOML file for the best settings, as `train --config` takes them; written whenever there are better ones.
        options: How to search.

    Raises:
        DataError: The study is of another search, there are no validation users, or no trial could be completed.
    """
    if out.is_dir():
        raise DataError(f"{out} is a folder; name a file for the best settings")
    split = _without_test(make_split(dataset, space.split))
    if not len(split.validation):
        raise DataError(f"{dataset.card.name} has no validation users to tune by with split {split.name}")
    terms = {
        "data set": f"{dataset.card.name} {dataset_digest(dataset.card)[:12]}",
        "space": space.digest[:12],
        "objective": options.objective,
        "list of seeds": ",".join(map(str, options.seeds)),
        "seed of the sampler": str(options.seed),
    }
    task = Task(dataset, split, space, options.seeds, options.objective)
    pruner = MedianPruner(n_startup_trials=space.pruning.startup, n_warmup_steps=space.pruning.warmup)
    with open_study(study, terms, pruner) as kept, progress("Tuning", total=options.trials) as shown:
        shown.advance(len(finished(kept)))
        for done in range(len(finished(kept)), options.trials):
            kept.sampler = TPESampler(seed=options.seed * 100_003 + done)
            task.run(kept)
            shown.advance()
            if best := completed(kept):
                shown.note(f"best {best[0].value:.4f}")
                write_whole(out, best_file(best[0], space, dataset.card.name).encode())
        best, others = completed(kept), not_completed(kept)
        if not best:
            reasons = [trial.user_attrs[REASON] for trial in others if REASON in trial.user_attrs]
            raise DataError(f"none of {len(others)} trials was completed: {'; '.join(dict.fromkeys(reasons))}")
        write_whole(out, best_file(best[0], space, dataset.card.name).encode())
        told = get_param_importances(kept) if len(best) >= _ENOUGH else {}
        return Tuned([*best, *others], told)


def _without_test(split: Split) -> Split:
    return replace(split, test=HeldOut(np.zeros(0, np.int32), [], []))
