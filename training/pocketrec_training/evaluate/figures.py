"""From measurements to the figures of a result: means, intervals, and what lies beyond chance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pocketrec.rankings import Interval
from pocketrec_training.evaluate.leads import find_leads
from pocketrec_training.evaluate.measurement import Measurement, Yardstick
from pocketrec_training.evaluate.ranker import Ranker, Searcher


@dataclass(frozen=True, slots=True)
class Figures:
    """The measured part of a `pocketrec.results.Result`, in its keys."""

    metrics: dict[str, float]
    """`ndcg@10` of the main subject, `NAME/ndcg@10` of others, `over/NAME/ndcg@10` the main one's lead."""
    intervals: dict[str, Interval]
    """95 %, keyed as `metrics`; of baselines those of NDCG and recall, as `NAME/ndcg@10`."""
    baselines: dict[str, dict[str, float]]
    notes: dict[str, str]

    @classmethod
    def of(cls, subjects: Mapping[str, Measurement], baselines: Mapping[str, Measurement], seed: int = 0) -> "Figures":
        """Sum up.

        Args:
            subjects: What the evaluation is about, the main one first.
            baselines: What it is compared with, on the same cases.
            seed: Of bootstrap and permutations.
        """
        (main, first), *others = subjects.items()
        metrics, intervals = first.metrics(), first.intervals(seed)
        for name, measured in others:
            metrics |= {f"{name}/{key}": value for key, value in measured.metrics().items()}
            intervals |= {f"{name}/{key}": pair for key, pair in measured.intervals(seed).items()}
        shown = [key for key in first.values if key.startswith((f"ndcg@{first.at}", f"recall@{first.at}"))]
        for name, measured in baselines.items():
            found = measured.intervals(seed)
            intervals |= {f"{name}/{key}": found[key] for key in shown if key in found}
        key = f"ndcg@{first.at}"
        compared = {name: measured.values[key] for name, measured in {**subjects, **baselines}.items()}
        for lead in find_leads([(main, name) for name in compared if name != main], compared, seed, first.whose):
            metrics |= lead.metrics(f"over/{lead.behind}", key)
            intervals |= lead.intervals(f"over/{lead.behind}", key)
        sizes = ", ".join(f"{name} {int(mask.sum())}" for name, mask in first.slices.items())
        notes = {"subject": main, "cases": str(len(first.whose)), "cases by slice": sizes}
        return cls(metrics, intervals, {name: m.metrics() for name, m in baselines.items()}, notes)


def measure_all(
    rankers: Iterable[tuple[str, Ranker]], yardstick: Yardstick, unmasked: bool = False
) -> dict[str, Measurement]:
    """Measure rankers one after the other; of those that are made as they are asked for, one is in memory."""
    measured = {}
    for name, ranker in rankers:
        measured[name] = Measurement.of(ranker, yardstick, unmasked)
        del ranker
    return measured


def measure_searches(searchers: Iterable[tuple[str, Searcher]], yardstick: Yardstick) -> dict[str, Measurement]:
    """Measure answers to queries likewise."""
    return {name: Measurement.of_search(searcher, yardstick) for name, searcher in searchers}
