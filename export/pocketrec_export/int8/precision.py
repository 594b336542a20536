"""Choose the form of graphs and tables: int8 where the gate lets it through, alone and together, else float32.

A graph that fails in int8, alone or beside the others, is scanned: with the fewest operators in float32 arithmetic that
the gate asks for, it ships all the same (`pocketrec_export.int8.sensitivity`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import get_args

import msgspec
import onnx

from pocketrec.progress import progress
from pocketrec.proof import Answers, Probe, Proof
from pocketrec.staging import staged_folder
from pocketrec.verdict import COMPANY, Verdict, compare
from pocketrec_export.bundle_writer import ROLES, Form, Graph, write_bundle
from pocketrec_export.int8.forms import Int8Forms, Storage
from pocketrec_export.int8.gate import GateConfig
from pocketrec_export.int8.sensitivity import Sensitivity, fewest_spared, scan
from pocketrec_export.item_indexes import ItemIndexes
from pocketrec_export.later_items import LaterItems
from pocketrec_export.model import Model

ITEM_WEIGHTS = "item weights"
"""Neighbours and followers, beside the roles of graphs."""


@dataclass(frozen=True, slots=True)
class Variants:
    """A model in float32 and its parts in int8; any mixture of them makes a bundle."""

    model: Model
    full: Form
    """All in float32."""
    int8: Mapping[str, Int8Forms]
    """Graphs by role."""
    indexes: ItemIndexes

    def on_trial(self, folder: Path, form: Form, later: LaterItems) -> None:
        """Fill an empty folder with a bundle of one mixture, to be asked what the gate asks."""
        write_bundle(folder, self.model, form, {}, {}, later, None)


@dataclass(frozen=True, slots=True)
class Choice:
    """What ships, and what the gate found."""

    form: Form
    """The manifest's facts say why."""
    verdicts: dict[str, Verdict]
    """By role, each graph alone in int8, wholly; `item weights` those alone; `all` is what ships, together."""
    answers: Answers
    """What was answered by what ships."""
    later: LaterItems
    """What it knows for items that are added later."""
    proof: Proof
    """What was asked, and what the float32 bundle answered."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One part in int8, with what the gate says of it beside others in float32."""

    put: Callable[[Form], Form]
    """Puts it into a form."""
    verdict: Verdict
    saved: int
    """Bytes fewer than in float32."""
    spared: tuple[str, ...]
    """Operators whose arithmetic stays float32."""


class Gate:
    """Asks bundles, each written for it and gone with the next, and compares them with the float32 one."""

    def __init__(self, variants: Variants, probe: Probe, bound: float, work: Path) -> None:
        self.variants, self.probe, self.bound, self.work = variants, probe, bound, work
        self.ids = [item.id for item in variants.model.items]
        self.read: dict[Path, LaterItems] = {}
        self.before = self.answers(variants.full, probe)
        self.scanned: dict[str, list[Sensitivity]] = {}

    def answers(self, form: Form, probe: Probe) -> Answers:
        """Of a mixture."""
        later = self.later(form) if len(probe.arrivals) else LaterItems.unasked(self.variants.model)
        with staged_folder(self.work / "trial") as folder:
            self.variants.on_trial(folder, form, later)
        return Answers.of(self.work / "trial", probe, self.ids)

    def later(self, form: Form) -> LaterItems:
        """What a mixture knows for later items: each encoder reads the catalogue once."""
        encoder = form.graphs["encoder"].path
        if encoder not in self.read:
            self.read[encoder] = LaterItems.of(self.variants.model, encoder)
        return self.read[encoder]

    def candidate(self, role: str, graph: Graph) -> _Candidate:
        """One graph beside the others in float32."""
        index = self.variants.indexes.read_by(graph) if role == "encoder" else None
        return self._judged(lambda form: form.with_graph(role, graph, index), graph.facts.spared)

    def item_weights(self) -> _Candidate:
        """Neighbours and followers."""
        return self._judged(lambda form: replace(form, tables=form.tables.quantised()), ())

    def mixture(self, chosen: Mapping[str, _Candidate]) -> tuple[Form, Answers, Verdict]:
        """Several parts in int8: the form, what it answers, and the gate's word."""
        form = self.variants.full
        for candidate in chosen.values():
            form = candidate.put(form)
        answers = self.answers(form, self.probe)
        return form, answers, compare(self.before, answers, self.probe, self.bound)

    def _judged(self, put: Callable[[Form], Form], spared: tuple[str, ...]) -> _Candidate:
        full = self.variants.full
        form = put(full)
        verdict = compare(self.before, self.answers(form, self.probe), self.probe, self.bound)
        return _Candidate(put, verdict, full.bytes - form.bytes, spared)

    def sparing(self, role: str, beside: Mapping[str, _Candidate]) -> _Candidate | None:
        """A graph in int8 but for the arithmetic of the fewest operators that the gate asks for.

        Args:
            role: Of the graph; what has no operators to spare may be asked for too.
            beside: Other parts in int8, with which it has to pass as well as alone.

        Returns:
            None where it passes with none, or has no operators.
        """
        forms = self.variants.int8.get(role)
        if forms is None or not forms.operators:
            return None
        if role not in self.scanned:  # the same beside whatever else is int8
            self.scanned[role] = self._scan(role, forms)
        # Which int8 is nearer to float32 depends on the weights (docs/decisions/0027).
        storages: tuple[Storage, ...] = get_args(Storage)
        found = (self._fewest_spared(role, forms, beside, storage) for storage in storages)
        return next((candidate for candidate in found if candidate is not None), None)

    def _fewest_spared(
        self, role: str, forms: Int8Forms, beside: Mapping[str, _Candidate], storage: Storage
    ) -> _Candidate | None:
        tried: dict[int, _Candidate] = {}

        def passes(spared: Sequence[str]) -> bool:
            candidate = tried[len(spared)] = self.candidate(role, forms.sparing(spared, storage))
            passed = candidate.verdict.passed
            return passed and (not beside or self.mixture({**beside, role: candidate})[2].passed)

        spared = fewest_spared(self.scanned[role], passes)
        return None if spared is None else tried[len(spared)]

    def _scan(self, role: str, forms: Int8Forms) -> list[Sensitivity]:
        full, part = self.variants.full, self._requests_to(role)
        before = self.answers(full, part)

        def loss(operator: str) -> float:
            # Items that have only text stay where float32 puts them: it is queries that are judged here.
            answers = self.answers(full.with_graph(role, forms.alone(operator)), part)
            return compare(before, answers, part, self.bound).loss

        return scan(forms.operators, loss)

    def _requests_to(self, role: str) -> Probe:
        """The part of the probe that a graph has to do with; newcomers would take a reading of the catalogue each."""
        part = replace(self.probe, arrivals=self.probe.arrivals[:0])
        if role == "encoder":
            return replace(part, users=[], user_targets=[])
        return replace(part, queries=[], query_targets=[])


def choose_precision(variants: Variants, probe: Probe, config: GateConfig, work: Path) -> Choice:
    """Try each part alone in int8, then those that passed together; what fails ships in float32.

    Args:
        variants: What there is to ship.
        probe: What both bundles are asked.
        config: The gate's bound.
        work: Folder for trial bundles.
    """
    verdicts: dict[str, Verdict] = {}
    passed: dict[str, _Candidate] = {}
    with progress("Asking the gate", total=len(ROLES) + 3) as shown:
        gate = Gate(variants, probe, config.bound, work)
        shown.advance()
        for role in ROLES:
            whole = gate.candidate(role, variants.int8[role].whole())
            verdicts[role] = whole.verdict
            # What a vector's batch mates change, sparing some operators doesn't mend.
            scanned = not whole.verdict.passed and whole.verdict.company <= COMPANY
            best = gate.sparing(role, {}) if scanned else whole
            if best is not None and best.verdict.passed:
                passed[role] = best
            shown.advance()
        weights = gate.item_weights()
        verdicts[ITEM_WEIGHTS] = weights.verdict
        if weights.verdict.passed:
            passed[ITEM_WEIGHTS] = weights
        shown.advance()
        chosen, form, answers, together = _together(gate, passed)
        shown.advance()
    operators = {role: len(variants.int8[role].operators) for role in ROLES}
    words = {
        part: _reason(verdict, passed.get(part), chosen.get(part), operators.get(part, 0), config)
        for part, verdict in verdicts.items()
    }
    graphs = {role: _described(graph, words[role]) for role, graph in form.graphs.items()}
    shipped = Form(graphs, form.index, replace(form.tables, reason=words[ITEM_WEIGHTS]))
    proof = Proof(probe, gate.before, config.bound)
    return Choice(shipped, {**verdicts, "all": together}, answers, gate.later(form), proof)


def keep_float32(variants: Variants, probe: Probe, config: GateConfig, work: Path) -> Choice:
    """All in float32, as somebody asked for; the arguments are those of `choose_precision`."""
    gate, words = Gate(variants, probe, config.bound, work), "float32, as asked"
    full = variants.full
    graphs = {role: _described(graph, words) for role, graph in full.graphs.items()}
    form = Form(graphs, full.index, replace(full.tables, reason=words))
    itself = compare(gate.before, gate.before, probe, config.bound)
    return Choice(form, {"all": itself}, gate.before, gate.later(full), Proof(probe, gate.before, config.bound))


def _together(gate: Gate, passed: Mapping[str, _Candidate]) -> tuple[Mapping[str, _Candidate], Form, Answers, Verdict]:
    """What of all that passed alone saves most bytes and passes together, with its form, answers and the gate's word.

    A graph that had to go comes back, if it can, with no more operators spared than the gate asks for.
    """

    def saved(names: Sequence[str]) -> tuple[int, int]:
        return sum(max(passed[name].saved, 0) for name in names), len(names)

    choices = [names for count in range(len(passed) + 1) for names in combinations(passed, count)]
    for names in sorted(choices, key=saved, reverse=True):
        chosen = {name: passed[name] for name in names}
        form, answers, verdict = gate.mixture(chosen)
        if verdict.passed:
            break
    for part in sorted(passed.keys() - chosen.keys(), key=lambda part: (-passed[part].saved, part)):
        spared = gate.sparing(part, chosen)
        if spared is not None:
            chosen[part] = spared
            form, answers, verdict = gate.mixture(chosen)
    return chosen, form, answers, verdict


def _described(graph: Graph, reason: str) -> Graph:
    """With what the file says of itself, and why it ships."""
    model = onnx.load(str(graph.path), load_external_data=False)
    producer = f"{model.producer_name} {model.producer_version}".strip()
    return Graph(
        graph.path, msgspec.structs.replace(graph.facts, ir=model.ir_version, producer=producer, reason=reason)
    )


def _reason(
    whole: Verdict, alone: _Candidate | None, ships: _Candidate | None, operators: int, config: GateConfig
) -> str:
    bound = f"bound {config.bound:.2%}"
    if alone is None:
        return f"float32: int8 failed the gate: {whole.words}; {bound}"
    if ships is None:
        return f"float32: int8 passed alone ({alone.verdict.words}) but not together with the others; {bound}"
    if not ships.spared:
        return f"int8 passed the gate alone: {whole.words}; {bound}"
    where = "alone" if ships is alone else "together with the others; alone"
    return (
        f"int8, float32 in the arithmetic of {len(ships.spared)} of {operators} operators, passed the gate {where}: "
        f"{ships.verdict.words}; with all in int8: {whole.words}; {bound}"
    )
