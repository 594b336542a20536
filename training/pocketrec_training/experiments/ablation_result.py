"""What an ablation found, as a result and as a table: each variant beside the base."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pocketrec.rankings import Interval
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_training.evaluate.leads import Lead, find_leads
from pocketrec_training.evaluate.seeds import interval_over_seeds
from pocketrec_training.evaluate.table import Rows
from pocketrec_training.experiments.ablation import BASE, Ablation, Reached
from pocketrec_training.experiments.experiment import with_cold

_KEY = "ndcg@10"
_SOURCES = ("tower", "neighbours")
"""Sources of candidates that are measured by themselves too."""
_KEPT = (_KEY, "recall@10", "train_s")
_FACTS = ("dataset", "dataset digest", "split", "items", "cases")


def ablation_result(ablation: Ablation, reached: Mapping[str, Reached]) -> Result:
    """Figures of each variant under `VARIANT/`, and how far it is ahead of the base under `VARIANT/over/base/`.

    Those on cold items stand under `VARIANT/cold/` and `VARIANT/cold/over/base/`, those of the user tower and of the
    neighbours by themselves, where they aren't the base's, under `VARIANT/tower/`, `VARIANT/tower/over/base/` and so
    on: one source may hide what another is worth. A variant with the very settings of one before it has that one's
    figures and isn't tested.

    Args:
        ablation: What was trained.
        reached: From `run_ablation`.
    """
    metrics, intervals = dict[str, float](), dict[str, Interval]()
    for name, found in reached.items():
        metrics |= {f"{name}/{key}": value for key, value in _metrics(found).items() if _kept(key)}
    tested = [(name, BASE) for name in reached if name != BASE and ablation.twin(name) == name]
    for part in reached[BASE].by_slice():
        prefix = f"{part}/" if part else ""
        parts = {name: found.by_slice() for name, found in reached.items()}
        asked = {name: found[part] for name, found in parts.items() if part in found}
        by_seed = {name: runs.values(_KEY, part) for name, runs in asked.items()}
        intervals |= {f"{name}/{prefix}{_KEY}": interval_over_seeds(values) for name, values in by_seed.items()}
        for lead in _leads(tested, by_seed):
            metrics |= lead.metrics(f"{lead.ahead}/{prefix}over/{BASE}", _KEY)
            intervals |= lead.intervals(f"{lead.ahead}/{prefix}over/{BASE}", _KEY)
    for source in _SOURCES:
        alone = {name: found.main.values(_KEY, ranker=source) for name, found in reached.items()}
        others = [pair for pair in tested if not np.array_equal(alone[pair[0]], alone[BASE])]
        for lead in _leads(others, alone):
            metrics |= lead.metrics(f"{lead.ahead}/{source}/over/{BASE}", _KEY)
            intervals |= lead.intervals(f"{lead.ahead}/{source}/over/{BASE}", _KEY)
    return Result(
        name=f"ablation-{ablation.name}",
        command=f"pocketrec ablate {ablation.name}",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=ablation.base.seeds,
        duration_s=round(sum(reached[name].duration_s for name in (BASE, *(name for name, _ in tested))), 1),
        metrics=metrics,
        intervals=intervals,
        baselines=_baselines(reached[BASE]),
        notes=dict(_notes(ablation, reached[BASE])),
    )


def _leads(pairs: Sequence[tuple[str, str]], by_seed: Mapping[str, NDArray[np.float64]]) -> list[Lead]:
    """How far the first of each pair is ahead of the second, if both were measured."""
    asked = [pair for pair in pairs if pair[0] in by_seed]
    return find_leads(asked, {name: values.mean(axis=1) for name, values in by_seed.items()})


def ablation_rows(result: Result) -> Rows:
    """Every variant: NDCG@10, its difference from the base; of its sources, on cold items alike; time of training."""
    names = [key.removesuffix("/train_s") for key in result.metrics if key.endswith("/train_s")]
    cold = "cold" in result.notes
    header = ["", _KEY, "95 % interval", "difference", "95 % interval", "effect", "p"]
    parts = [*_SOURCES, *(["cold"] if cold else [])]
    lines = [[*header, *(word for part in parts for word in (f"{part}/{_KEY}", "difference", "p")), "train s"]]
    for name in names:
        line = [name, f"{result.metrics[f'{name}/{_KEY}']:.4f}", _interval(result, f"{name}/{_KEY}")]
        line += _lead(result, f"{name}/over/{BASE}")
        for part in parts:
            difference, _, _, p = _lead(result, f"{name}/{part}/over/{BASE}")
            reached = result.metrics.get(f"{name}/{part}/{_KEY}")
            line += ["" if reached is None else f"{reached:.4f}", difference, p]
        lines.append([*line, f"{result.metrics[f'{name}/train_s']:.0f}"])
    return lines


def _metrics(found: Reached) -> dict[str, float]:
    metrics = found.main.metrics()
    if found.cold is not None:
        metrics = with_cold(metrics, found.cold.metrics())
    else:  # the few items that happen to be new in the main split are no match for those that were held out
        metrics = {key: value for key, value in metrics.items() if not key.startswith("cold/")}
    return metrics | {"train_s": found.main.train_s}


def _kept(key: str) -> bool:
    """Whether a figure is a main one: of all cases, of one slice, or of one source of candidates."""
    return key.rpartition("/")[2] in _KEPT and key.count("/") < 2


def _baselines(base: Reached) -> dict[str, dict[str, float]]:
    found = base.main.baselines()
    if base.cold is None:
        return found
    cold = base.cold.baselines()
    return {ranker: with_cold(figures, cold.get(ranker, {})) for ranker, figures in found.items()}


def _notes(ablation: Ablation, base: Reached) -> Iterator[tuple[str, str]]:
    facts = base.main.notes()
    yield "experiment", ablation.experiment
    yield "users share", f"{ablation.base.prepare.users_share:g}"
    for key in _FACTS:
        yield key, facts[key]
    if base.cold is not None:
        own = ablation.base.seeds if base.cold is base.main else ablation.base.cold_seeds
        count, seeds = int(base.cold.cases[0].slices["cold"].sum()), ", ".join(map(str, own))
        yield "cold", f"{count} cases of models that never met the item, split cold-items, seeds {seeds}"
    yield "figures", "means over seeds, of PyTorch models in float32, not of bundles"
    yield "intervals", "95 %, over users, and over seeds where there are several; differences over users"
    yield "p", "paired randomisation test against the base, Holm-adjusted over the variants"
    yield (
        "train_s",
        "of one model; a training that was resumed counts from there, and texts once read are not read again",
    )
    for name, changes in ablation.changes.items():
        twin = ablation.twin(name)
        yield f"variant {name}", "; ".join(changes) + ("" if twin == name else f" (which is {twin})")


def _lead(result: Result, key: str) -> tuple[str, str, str, str]:
    """Difference, interval, effect and p; nothing of a variant that wasn't tested."""
    if f"{key}/p" not in result.metrics:
        return "", "", "", ""
    return (
        f"{result.metrics[f'{key}/{_KEY}']:+.4f}",
        _interval(result, f"{key}/{_KEY}", "+"),
        f"{result.metrics[f'{key}/effect']:+.3f}",
        f"{result.metrics[f'{key}/p']:.4f}",
    )


def _interval(result: Result, key: str, sign: str = "") -> str:
    low, high = result.intervals[key]
    return f"{low:{sign}.4f} - {high:{sign}.4f}"
