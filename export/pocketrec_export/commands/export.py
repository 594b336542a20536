"""`pocketrec export`."""

import argparse
import time
from pathlib import Path

from pocketrec.config import Config, load_config
from pocketrec.errors import require_extra
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_export.settings import add_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", type=Path, required=True, metavar="MODEL", help="folder that `train` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--size",
        choices=("base", "small", "tiny", "nano"),
        help="encoder: base, as trained; small, four narrower layers; tiny, two, distilled; "
        "nano, static token table, distilled (default: base)",
    )
    parser.add_argument(
        "--route",
        choices=("torch", "dynamo", "optimum"),
        help="ONNX exporter (default: torch; the others need their extra)",
    )
    parser.add_argument(
        "--precision",
        choices=("int8", "float32"),
        help="int8 where the gate lets it through, or all in float32 (default: int8)",
    )
    parser.add_argument(
        "--gate-bound",
        type=float,
        metavar="SHARE",
        help="refuse int8 that may lose a larger share of NDCG@10 (default: 0.01)",
    )
    add_settings(parser, _settings, "index.m=24")
    parser.add_argument("--seed", type=int, default=0, help="of the gate's samples (default: 0)")


def _settings() -> type[Config]:
    from pocketrec_export.export import ExportConfig

    return ExportConfig


def run(arguments: argparse.Namespace) -> None:
    """Export and show what the gate said."""
    from pocketrec_export.export import ExportConfig, export

    overrides = [*arguments.set]
    if arguments.route is not None:
        overrides.append(f'route="{arguments.route}"')
    if arguments.size is not None:
        overrides.append(f'size="{arguments.size}"')
    if arguments.precision is not None:
        overrides.append(f'precision="{arguments.precision}"')
    if arguments.gate_bound is not None:
        overrides.append(f"gate.bound={arguments.gate_bound}")
    config = load_config(ExportConfig, arguments.config, overrides)
    if config.route != "torch":
        needs = {"optimum": "optimum", "dynamo": "onnxscript"}[config.route]
        require_extra(config.route, (needs,), f"pocketrec export --route {config.route}")
    started = time.perf_counter()
    exported = export(arguments.model, arguments.out, config, arguments.seed)
    seconds = time.perf_counter() - started
    manifest = exported.manifest
    print(f"Exported {manifest.name}, {manifest.items:,} items, in {seconds:.0f} s -> {arguments.out}")
    for graph in manifest.graphs.values():
        print(f"  {graph.file:<13} {graph.precision}  {manifest.files[graph.file].bytes / 1e6:6.2f} MB  {graph.reason}")
    tables = manifest.neighbours
    size = (manifest.bytes_below("neighbours/") + manifest.bytes_below("followers/")) / 1e6
    print(f"  {'item weights':<13} {tables.precision}  {size:6.2f} MB  {tables.reason}")
    fusions = exported.full.encoder.fusions
    if fusions:
        print(f"  encoder.onnx  fused: {', '.join(f'{name} {fused}' for name, fused in fusions.items())}")
    for part in ("histories", "queries", "newcomers"):
        if f"base/{part}/loss" in manifest.quality:
            loss, most = (manifest.quality[f"base/{part}/{key}"] for key in ("loss", "loss_upper"))
            print(f"  {config.size:<13} NDCG@10 of {part}: {loss:+.2%} lost against base, at most {most:+.2%}")
    index = manifest.index
    print(f"  index.hnsw    M {index.m}, ef {index.ef}: recall {index.recall:.3f} at {manifest.candidates}")
    if arguments.json:
        Result(
            name=manifest.name,
            command="export",
            machine=Machine.here(),
            versions=installed_versions(),
            seeds=(arguments.seed,),
            duration_s=round(seconds, 3),
            metrics={
                **manifest.quality,
                **{f"{role}/shape_delta_max": value for role, value in exported.full.differences.items()},
                **{f"fused/{name}": fused.operators / fused.of for name, fused in fusions.items()},
                "recall": index.recall,
            },
            notes={**{role: graph.reason for role, graph in manifest.graphs.items()}, "item weights": tables.reason},
        ).write(arguments.json)
