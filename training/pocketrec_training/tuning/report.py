"""What a study found: for people, for `train --config`, and for programs."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from pocketrec_training.evaluate.table import aligned
from pocketrec_training.tuning.space import SearchSpace
from pocketrec_training.tuning.study import REASON
from pocketrec_training.tuning.trial import SAME_AS, SEEDS


def best_file(best: FrozenTrial, space: SearchSpace, name: str) -> str:
    """The TOML file of a trial's settings, those that stay the same among them."""
    head = f"# Trial {best.number} of pocketrec tune on {name}: validation NDCG@10 {best.value:.4f}\n"
    return head + space.as_toml(best.params)


def trial_table(trials: Sequence[FrozenTrial]) -> str:
    """Lines of text, one for each trial, in the order given."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.params))
    lines = [["trial", "ndcg@10", "seconds", *keys, "end"]]
    for trial in trials:
        value = f"{trial.value:.4f}" if trial.state == TrialState.COMPLETE else "-"
        settings = [_short(trial.params.get(key, "-")) for key in keys]
        lines.append([str(trial.number), value, f"{_seconds(trial):.1f}", *settings, _end_in_words(trial)])
    return aligned(lines)


def settings_in_words(trial: FrozenTrial) -> str:
    """The settings that were tried, in the form of `--set`."""
    return ", ".join(f"{key}={_short(value)}" for key, value in trial.params.items())


def trial_notes(trials: Sequence[FrozenTrial]) -> dict[str, str]:
    """How each trial ended, and its settings, by `trial-N`."""
    return {f"trial-{trial.number}": f"{_end_in_words(trial)}: {settings_in_words(trial)}" for trial in trials}


def trial_metrics(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """How many trials ended in which way, and under `trial-N/` each one's figure, those of its seeds, and its time."""
    ends = [_end(trial) for trial in trials]
    figures = {f"trials/{end}": float(ends.count(end)) for end in ("complete", "pruned", "failed", "killed")}
    for trial in trials:
        if trial.value is not None and trial.state == TrialState.COMPLETE:
            figures[f"trial-{trial.number}/ndcg@10"] = trial.value
            for seed, figure in trial.user_attrs[SEEDS].items():
                figures[f"trial-{trial.number}/seed-{seed}/ndcg@10"] = figure
        figures[f"trial-{trial.number}/duration_s"] = round(_seconds(trial), 3)
    return figures


def _end(trial: FrozenTrial) -> str:
    """A trial is "pruned" where it fell behind, "failed" where it can't be trained, "killed" where nothing ended it."""
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.FAIL:
        return "killed"
    return "failed" if REASON in trial.user_attrs else "pruned"


def _end_in_words(trial: FrozenTrial) -> str:
    end = _end(trial)
    if end == "pruned" and trial.last_step is not None:
        return f"pruned after epoch {trial.last_step} at {trial.intermediate_values[trial.last_step]:.4f}"
    if end == "failed":
        return f"failed: {trial.user_attrs[REASON]}"
    return f"complete, as trial {trial.user_attrs[SAME_AS]}" if SAME_AS in trial.user_attrs else end


def _seconds(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration is not None else 0.0


def _short(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
