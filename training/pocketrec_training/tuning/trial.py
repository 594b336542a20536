"""One trial: train with the settings asked for, once for each seed, and say how well validation users are ranked."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import optuna
from msgspec.structs import replace
from optuna.study import Study
from optuna.trial import Trial, TrialState

from pocketrec.errors import PocketrecError
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.splits import Split
from pocketrec_training.tower.training import AfterEpoch, go_on
from pocketrec_training.train import TrainConfig, fit_model, tower_quality
from pocketrec_training.tuning.space import SearchSpace
from pocketrec_training.tuning.study import REASON, completed

Objective = Literal["blend", "tower"]

SEEDS = "seeds"
"""Attribute of a completed trial: its figure by seed."""
SAME_AS = "same as"
"""Attribute of a completed trial: number of an earlier one with the very settings, whose figures it took over."""


@dataclass(frozen=True, slots=True)
class Task:
    """What all trials of a study train on."""

    dataset: Dataset
    split: Split
    space: SearchSpace
    seeds: tuple[int, ...]
    objective: Objective

    def run(self, study: Study) -> None:
        """Ask the study for settings, train, and tell it the mean figure of all seeds.

        A trial is given up while the first seed's tower is trained, or never: the other seeds are for those worth it.
        Settings that can't be trained, such as heads that don't divide `dim`, count as worse than all others, so that
        the sampler learns to leave them.
        """
        trial = study.ask(self.space.dimensions)
        same = next((each for each in completed(study) if each.params == trial.params), None)
        if same is not None:
            trial.set_user_attr(SAME_AS, same.number)
            trial.set_user_attr(SEEDS, same.user_attrs[SEEDS])
            study.tell(trial, same.value)
            return
        config = self.space.config(trial.params)
        try:
            figures = {
                seed: self._figure(config, seed, go_on if place else _pruning(trial))
                for place, seed in enumerate(self.seeds)
            }
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except (PocketrecError, ValueError, RuntimeError) as error:
            trial.set_user_attr(REASON, " ".join(str(error).split()))
            study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.set_user_attr(SEEDS, figures)
            study.tell(trial, float(np.mean(list(figures.values()))))

    def _figure(self, config: TrainConfig, seed: int, after_epoch: AfterEpoch) -> float:
        if self.objective == "tower":
            return tower_quality(self.dataset, self.split, config, seed, after_epoch)
        config = replace(config, refit=0)  # it changes nothing that validation says
        validation = fit_model(self.dataset, self.split, config, seed, after_epoch=after_epoch).card.validation
        # A scorer that learns nothing, such as `dot`, ranks as the tower does.
        return validation.get("ndcg@10", validation["tower/ndcg@10"])


def _pruning(trial: Trial) -> AfterEpoch:
    def after_epoch(epoch: int, quality: float) -> None:
        trial.report(quality, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    return after_epoch
