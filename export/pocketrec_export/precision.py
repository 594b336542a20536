"""Choose each graph's precision: int8 where the gate lets it through, alone and together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from pocketrec.manifest import Manifest
from pocketrec.progress import progress
from pocketrec.proof import Answers, Probe, Proof, Verdict, compare
from pocketrec.staging import staged_folder
from pocketrec_export.bundle_writer import ROLES, Graph, Index, write_bundle
from pocketrec_export.gate import GateConfig
from pocketrec_export.model import Model

Precision = Literal["fp32", "int8"]


@dataclass(frozen=True, slots=True)
class Variants:
    """A model's graphs in both precisions; any mixture of them makes a bundle."""

    model: Model
    graphs: Mapping[str, Mapping[Precision, Graph]]
    """By role, then precision."""
    indexes: Mapping[Precision, Index]
    """By the encoder's precision, which shapes the vectors of items that have only text."""
    newcomer_scales: tuple[float, float]
    """Of votes for items added later, by neighbours and by followers."""

    def write(
        self,
        folder: Path,
        precision: Mapping[str, Precision],
        reasons: Mapping[str, str],
        quality: dict[str, float],
        provenance: dict[str, str],
        proof: Proof | None = None,
    ) -> Manifest:
        """Fill an empty folder with the bundle of one mixture."""
        graphs = {}
        for role in ROLES:
            graph = self.graphs[role][precision[role]]
            graphs[role] = Graph(graph.path, msgspec.structs.replace(graph.facts, reason=reasons[role]))
        index = self.indexes[precision["encoder"]]
        return write_bundle(folder, self.model, graphs, index, quality, provenance, self.newcomer_scales, proof)


@dataclass(frozen=True, slots=True)
class Choice:
    """What ships, and what the gate found."""

    precision: dict[str, Precision]
    reasons: dict[str, str]
    verdicts: dict[str, Verdict]
    """By role, each graph alone in int8; `all` is what ships, together."""
    proof: Proof
    """What was asked, and what the float32 bundle answered."""

    @property
    def quality(self) -> dict[str, float]:
        """Figures for the manifest."""
        verdict = self.verdicts["all"]
        figures = {f"{name.replace('/', '/ndcg@10/')}": value for name, value in verdict.ndcg.items()}
        return {
            **figures,
            "overlap@10": verdict.overlap,
            "loss": verdict.loss,
            "loss_upper": verdict.upper,
            "cosine": verdict.cosine,
            "batch_delta_max": verdict.company,
        }


def choose_precision(variants: Variants, probe: Probe, config: GateConfig, work: Path) -> Choice:
    """Try each graph alone in int8, then those that passed together; what fails ships in float32.

    Args:
        variants: The graphs.
        probe: What both bundles are asked.
        config: The gate's bound.
        work: Folder for trial bundles.
    """

    def answers(precision: Mapping[str, Precision]) -> Answers:
        with staged_folder(work / "trial") as folder:
            variants.write(folder, precision, dict.fromkeys(ROLES, "trial"), {}, {})
        return Answers.of(work / "trial", probe, ids)

    ids = [item.id for item in variants.model.items]
    full: dict[str, Precision] = dict.fromkeys(ROLES, "fp32")
    verdicts: dict[str, Verdict] = {}
    with progress("Asking the gate", total=len(ROLES) + 2) as shown:
        before = answers(full)
        shown.advance()
        for role in ROLES:
            verdicts[role] = compare(before, answers({**full, role: "int8"}), probe, config.bound)
            shown.advance()
        precision: dict[str, Precision] = {role: "int8" if verdicts[role].passed else "fp32" for role in ROLES}
        together = compare(before, answers(precision), probe, config.bound)
        while not together.passed:
            worst = max((role for role in ROLES if precision[role] == "int8"), key=lambda role: verdicts[role].upper)
            precision[worst] = "fp32"
            together = compare(before, answers(precision), probe, config.bound)
        shown.advance()
    reasons = {role: _reason(verdicts[role], precision[role], config) for role in ROLES}
    return Choice(precision, reasons, {**verdicts, "all": together}, Proof(probe, before, config.bound))


def _reason(verdict: Verdict, precision: Precision, config: GateConfig) -> str:
    if precision == "int8":
        return f"int8 passed the gate alone: {verdict.words}; bound {config.bound:.2%}"
    if verdict.passed:
        return (
            f"float32: int8 passed alone ({verdict.words}) but not together with the others; bound {config.bound:.2%}"
        )
    return f"float32: int8 failed the gate: {verdict.words}; bound {config.bound:.2%}"
