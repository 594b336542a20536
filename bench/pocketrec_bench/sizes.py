"""What each size of bundle costs and brings: exported from experiments' models, measured on test cases, and timed.

Each step leaves its result in the experiment's folder and is passed over when it is there, so a run that was stopped
goes on where it was.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from pocketrec.digest import file_digest
from pocketrec.errors import DataError
from pocketrec.manifest import Manifest
from pocketrec.progress import progress
from pocketrec.results import Machine, Result, installed_versions
from pocketrec.staging import write_whole
from pocketrec_bench.size_latency import CANDIDATES, PEER, RUN, time_sizes
from pocketrec_bench.typed_requests import TypedRequests
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.model import Model
from pocketrec_export.sizes import BundleSize, takes_student
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.report import EvaluationOptions
from pocketrec_training.experiments.claim import claim

SIZES: tuple[BundleSize, ...] = get_args(BundleSize)
_EXPORT = ExportConfig()
_OPTIONS = EvaluationOptions(baselines=False, unmasked=False)


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that an experiment left."""

    name: str
    """Of the experiment."""
    data: Path
    model: Path
    work: Path
    """Folder of its sizes."""
    figure: str
    """What it is judged by."""
    itself: frozenset[BundleSize]
    """Sizes whose encoder is the model's own: one bundle stands for them all."""

    @classmethod
    def of(cls, folder: Path) -> "Iterator[Trained]":
        """The first main model of an experiment's folder, and the first that never met its cold items, if there is one.

        Raises:
            DataError: There is no model.
        """
        for stem, figure in (("seed", "ndcg@10"), ("cold", "cold/ndcg@10")):
            found = sorted(folder.glob(f"{stem}-*/model/model.json"))
            if found:
                model = found[0].parent
                loaded = Model.load(model)
                itself = frozenset(size for size in SIZES if not takes_student(loaded, size, _EXPORT.student))
                digests = {name: file_digest(model / name) for name in ("model.json", "vectors.npy")}
                settings = {"model": digests, "export": msgspec.to_builtins(_EXPORT)}
                claim(folder / "sizes" / stem, "sizes.json", "sizes of a model", settings)
                yield cls(folder.name, folder / "dataset", model, folder / "sizes" / stem, figure, itself)
            elif stem == "seed":
                raise DataError(f"{folder} holds no seed-N/model: give folders that `pocketrec experiment` left")

    def bundle(self, size: BundleSize) -> Path:
        """Its bundle of a size, exported if it isn't there."""
        size = "base" if size in self.itself else size
        path = self.work / size
        if not (path / "manifest.json").exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            export(self.model, path, msgspec.structs.replace(_EXPORT, size=size))
        return path

    def measured(self, size: BundleSize | None) -> float:
        """Figure on test cases of the bundle of a size, or of the float32 PyTorch model itself."""
        size = "base" if size in self.itself else size
        kept = self.work / f"{size or 'model'}.json"
        if not kept.exists():
            bundle = None if size is None else self.bundle(size)
            kept.parent.mkdir(parents=True, exist_ok=True)
            evaluate(self.data, self.model if bundle is None else None, bundle, None, _OPTIONS).write(kept)
        return Result.read(kept).metrics[self.figure]

    def typed(self, size: BundleSize | None) -> float:
        """NDCG@10 of requests of history and text, of the same."""
        size = "base" if size in self.itself else size
        kept = self.work / f"{size or 'model'}-typed.json"
        if not kept.exists():
            model = Model.load(self.model)
            asked = TypedRequests.of(self.data, model.card.split)
            reached = asked.model(model) if size is None else asked.bundle(self.bundle(size))
            write_whole(kept, msgspec.json.encode(reached))
        return msgspec.json.decode(kept.read_bytes(), type=float)


def measure_sizes(folders: Sequence[Path], calls: int = 400, seed: int = 0) -> Result:
    """Export, measure and time every size.

    Args:
        folders: What `pocketrec experiment` left, at least one; texts are timed with the first one's bundles.
        calls: Texts to time.
        seed: Of them.

    Returns:
        For each size its encoder's megabytes, the milliseconds of a text, and shares of the float32 model's NDCG@10: of
        histories, of histories with text, of cold items, of queries; the worst of all experiments, each one's own under
        its name. Where that model finds nothing, there is no share.

    Raises:
        ValueError: `calls` is less than 1.
        DataError: A folder holds no model, or its sizes are those of another model or of other settings.
    """
    if calls < 1:
        raise ValueError(f"calls={calls} must be at least 1")
    begun = time.perf_counter()
    trained = [model for folder in folders for model in Trained.of(folder)]
    shares: dict[str, list[float]] = {}
    metrics: dict[str, float] = {}
    company = 0.0
    with progress("Measuring sizes", total=len(trained) * len(SIZES)) as shown:
        for model in trained:
            cold = "cold/" in model.figure
            whole = model.measured(None)
            for size in SIZES:
                quality = Manifest.read(model.bundle(size)).quality
                company = max(company, quality["batch_delta_max"])
                figures = {f"{'cold_' * cold}ndcg_share": (model.measured(size), whole)}
                if not cold:
                    figures["query_ndcg_share"] = _of_queries(quality)
                    figures["text_history_ndcg_share"] = model.typed(size), model.typed(None)
                for name, (reached, full) in figures.items():
                    if full > 0:  # a model that finds nothing has nothing to keep a share of
                        metrics[f"{model.name}/{size}/{name}"] = round(reached / full, 4)
                        shares.setdefault(f"{size}/{name}", []).append(reached / full)
                shown.advance()
    first: dict[str, Path] = {size: trained[0].bundle(size) for size in SIZES}
    times = time_sizes(first, calls, seed)
    if f"{PEER}/encode_p50_ms" in times:
        for size in SIZES:
            ratio = times[f"{PEER}/encode_p50_ms"] / times[f"{size}/encode_p50_ms"]
            times[f"{size}/speedup_over_sentence_transformers"] = round(ratio, 2)
    return Result(
        name="export",
        command=f"pocketrec sizes {' '.join(folder.name for folder in folders)}",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=(seed,),
        duration_s=round(time.perf_counter() - begun, 1),
        metrics=metrics
        | {f"{size}/encoder_mb": _encoder_mb([model.bundle(size) for model in trained]) for size in SIZES}
        | {name: round(min(each), 4) for name, each in shares.items()}
        | times
        | {"batch_delta_max": company},
        notes={
            "shares": "of the float32 PyTorch model's NDCG@10 on test cases, for queries float32 ONNX's; the worst set",
            "encoder_mb": "encoder.onnx and tokenizer.json, 10^6 bytes, the largest",
            "times": f"medians of {calls}, in turns of {RUN}, one thread: a text of 16 tokens, tokeniser included; "
            f"a history of {Manifest.read(first['base']).history} items; {CANDIDATES} candidates; "
            f"with {trained[0].name}'s bundles",
        },
    )


def _of_queries(quality: Mapping[str, float]) -> tuple[float, float]:
    """NDCG@10 of what ships, and of the model's own encoder in float32."""
    return quality["queries/ndcg@10/int8"], quality.get("base/queries/ndcg@10", quality["queries/ndcg@10/fp32"])


def _encoder_mb(bundles: Sequence[Path]) -> float:
    files = [Manifest.read(bundle).files for bundle in bundles]
    return round(max(sum(each[name].bytes for name in ("encoder.onnx", "tokenizer.json")) for each in files) / 1e6, 3)
