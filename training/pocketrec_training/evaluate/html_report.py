"""Results as a page for people: what was measured, how good it was, and how sure that is."""

from collections.abc import Sequence

from pocketrec.results import Result
from pocketrec_training.evaluate import html_page, svg
from pocketrec_training.evaluate.comparison import Compared, mean_rows
from pocketrec_training.evaluate.comparison import lead_rows as pair_rows
from pocketrec_training.evaluate.leads import Lead
from pocketrec_training.evaluate.table import Rows, lead_rows, rankers, rows, slice_rows

_SPLITS = {
    "leave-last-out": "The last interaction of each user is to be foreseen from all before it.",
    "global-time": "What users took in the newest tenth of the interactions is to be foreseen from all before it.",
    "last-basket": "The items of each user's last basket are to be foreseen from all baskets before it.",
    "cold-items": "The last interaction of each user is to be foreseen; a tenth of the items was never learnt from.",
    "queries": "What people typed is to find the items that were judged to answer it; none of it was learnt from.",
}
_SIGNIFICANT = (
    "p: paired randomisation test; bootstrap p: paired, studentised bootstrap; both two-sided and Holm-adjusted over "
    "the lines of this table. Effect: the mean difference in standard deviations of the users' differences."
)


def evaluation_page(result: Result, at: int = 10) -> str:
    """Page of an evaluation, a cross-validation or an experiment.

    Args:
        result: What was measured.
        at: Cutoff to show.
    """
    notes, subject = result.notes, result.notes.get("subject", "subject")
    key = f"ndcg@{at}"
    return html_page.page(
        f"{notes.get('dataset', result.name)}: {subject} {key} {result.metrics[key]:.4f}",
        _under(result),
        [
            html_page.section("In short", html_page.cards(_headline(result, at)), html_page.paragraph(_how(result))),
            html_page.section(
                "Figures",
                html_page.side_by_side(
                    *(svg.bars(f"{name}@{at}", _bars(result, name, at)) for name in ("ndcg", "recall"))
                ),
                html_page.table(rows(result, at), subject),
            ),
            *_leads(result, at),
            *_unmasked(result, at, subject),
            *_slices(result, at, subject),
            html_page.section("What was measured, and where", html_page.facts(_facts(result))),
        ],
    )


def comparison_page(compared: Compared, leads: Sequence[Lead], key: str, result: Result) -> str:
    """Page of `pocketrec compare`.

    Args:
        compared: The models.
        leads: Of all pairs.
        key: Figure that was compared.
        result: The same as a result, for machine and versions.
    """
    names = list(compared.values)
    drawn = [
        svg.Whisker(f"{lead.ahead} over {lead.behind}", lead.difference.mean, lead.difference.interval, lead.p < 0.05)
        for lead in leads
    ]
    return html_page.page(
        f"{compared.notes.get('dataset', 'Runs')}: {len(names)} runs compared by {key}",
        _under(result),
        [
            html_page.section(
                "Means", html_page.paragraph(_how(result)), html_page.table(mean_rows(compared.values, key))
            ),
            _differences("Differences", f"difference in {key}", drawn, pair_rows(leads)),
            html_page.section("What was measured, and where", html_page.facts(_facts(result))),
        ],
    )


def _under(result: Result) -> str:
    notes = result.notes
    return f"{notes.get('cases', '?')} test cases, split {notes.get('split', '?')}. Made by {result.command}."


def _headline(result: Result, at: int) -> list[tuple[str, str, str]]:
    """The two main figures, and the lead over the best baseline."""
    subject, shown = result.notes.get("subject", "subject"), []
    for key in (f"ndcg@{at}", f"recall@{at}"):
        low, high = result.intervals[key]
        spread = (
            f"; deviation between seeds {result.metrics[name]:.4f}"
            if (name := f"deviation/{key}") in result.metrics
            else ""
        )
        shown.append(
            (f"{key} of the {subject}", f"{result.metrics[key]:.4f}", f"95 % interval {low:.4f} - {high:.4f}{spread}")
        )
    if result.baselines:
        key = f"ndcg@{at}"
        best = max(result.baselines, key=lambda name: result.baselines[name][key])
        low, high = result.intervals[f"over/{best}/relative/{key}"]
        shown.append(
            (
                f"{key} over {best}, the best baseline",
                f"{result.metrics[f'over/{best}/relative/{key}']:+.1%}",
                f"95 % interval {low:+.1%} to {high:+.1%}; p\N{NO-BREAK SPACE}{result.metrics[f'over/{best}/p']:.4f}",
            )
        )
    return shown


def _how(result: Result) -> str:
    """Split and ranking in plain words."""
    split = _SPLITS.get(result.notes.get("split", ""), "")
    items = " ".join(["All", result.notes.get("items", ""), "items"]).replace("  ", " ")
    ranked = f"{split} {items} are ranked, none is sampled.".strip()
    if result.notes.get("split") == "queries":
        return ranked
    return f"{ranked} Unless said otherwise, the user's history is masked: its items can't be recommended again."


def _bars(result: Result, metric: str, at: int) -> list[svg.Bar]:
    key = f"{metric}@{at}"
    return [
        svg.Bar(
            name,
            metrics[key],
            result.intervals[prefix + key],
            "subject" if not prefix else "baseline" if name in result.baselines else "other",
        )
        for name, prefix, metrics in rankers(result, at)
    ]


def _leads(result: Result, at: int) -> list[str]:
    lines = lead_rows(result, at)
    if len(lines) == 1:
        return []
    key = f"ndcg@{at}"
    drawn = [
        svg.Whisker(
            name,
            result.metrics[f"over/{name}/{key}"],
            result.intervals[f"over/{name}/{key}"],
            result.metrics[f"over/{name}/p"] < 0.05,
        )
        for name, *_ in lines[1:]
    ]
    return [_differences("How sure the lead is", f"{key} ahead of", drawn, lines)]


def _differences(title: str, of: str, drawn: Sequence[svg.Whisker], lines: Rows) -> str:
    return html_page.section(
        title,
        html_page.paragraph("Blue: beyond chance at the level 0.05. Lines: 95 % intervals over users."),
        html_page.side_by_side(svg.whiskers(of, drawn)),
        html_page.table(lines),
        html_page.paragraph(_SIGNIFICANT),
    )


def _unmasked(result: Result, at: int, subject: str) -> list[str]:
    if f"ndcg@{at}/unmasked" not in result.metrics:
        return []
    said = html_page.paragraph("The same cases, but items of the history may be recommended again.")
    return [html_page.section("History allowed", said, html_page.table(rows(result, at, "/unmasked"), subject))]


def _slices(result: Result, at: int, subject: str) -> list[str]:
    lines = slice_rows(result, at)
    if len(lines[0]) == 1:
        return []
    said = (
        "Head: one of the most popular items that have a fifth of all interactions; tail: the rest. Cold: items that "
        "nobody learnt from. Short: histories of at most 5; long: of more than 20."
    )
    return [
        html_page.section(
            "Kinds of cases",
            html_page.paragraph(said),
            html_page.table(lines, subject),
            html_page.paragraph(f"Cases: {result.notes.get('cases by slice', '?')}."),
            html_page.paragraph(f"Cold: {result.notes['cold']}.") if "cold" in result.notes else "",
        )
    ]


def _facts(result: Result) -> dict[str, str]:
    """Everything a reader needs to measure again."""
    machine, minutes = result.machine, int(result.duration_s // 60)
    return {
        **result.notes,
        "seeds": ", ".join(map(str, result.seeds)),
        "machine": f"{machine.cpu}, {machine.cores} cores, {' '.join(machine.flags)}, {machine.system}",
        "versions": ", ".join(
            f"{name} {version}" for name, version in {"python": machine.python, **result.versions}.items()
        ),
        "duration": f"{minutes} min {result.duration_s - 60 * minutes:.0f} s"
        if minutes
        else f"{result.duration_s:.1f} s",
    }
