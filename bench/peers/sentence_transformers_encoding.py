"""A bundle's encoder beside sentence-transformers on torch: one text at a time, one thread, both in turns.

The peer is all-MiniLM-L6-v2 as it comes, `SentenceTransformer.encode` of one string, as its documentation shows. Ours
is what a request with a query does: tokenizer, graph, projection. Texts are those of `pocketrec bench`: 16 tokens, all
different. Turns are taken text by text, so that other load on the machine falls on both alike.
How to run it: bench/README.md.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from pocketrec.bundle import Bundle
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_bench.workload import Workload
from pocketrec_training.default_encoder import default_encoder

WARM_UP = 20


def timed(ways: dict[str, Callable[[str], object]], texts: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds of each way for each text, in turns; the first texts warm up and aren't counted."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for place, text in enumerate(texts):
        for name, way in ways.items():
            started = time.perf_counter()
            way(text)
            if place >= WARM_UP:
                found[name].append((time.perf_counter() - started) * 1e3)
    return found


def main() -> None:
    """Time both and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    bundle = Bundle.open(arguments.bundle, threads=1)
    peer = SentenceTransformer(str(default_encoder()), device="cpu")
    texts = Workload.of(bundle, histories=0, texts=arguments.texts + WARM_UP, seed=0).texts
    found = timed({"pocketrec": bundle.encoder.encode_one, "sentence-transformers": peer.encode}, texts)
    medians = {name: float(np.median(times)) for name, times in found.items()}
    metrics = {f"{name}/encode_p50_ms": median for name, median in medians.items()}
    metrics["speedup"] = medians["sentence-transformers"] / medians["pocketrec"]
    for name, median in medians.items():
        print(f"{name:<22} {median:7.2f} ms")
    print(f"{'ratio':<22} {metrics['speedup']:7.1f}")
    if arguments.json:
        Result(
            name=bundle.manifest.name,
            command="bench/peers/sentence_transformers_encoding.py",
            machine=Machine.here(),
            versions=installed_versions(),
            seeds=(0,),
            duration_s=round(time.perf_counter() - started, 3),
            metrics=metrics,
            notes={"encoder": bundle.manifest.encoder.name, "texts": f"{arguments.texts} of 16 tokens, medians"},
        ).write(arguments.json)


if __name__ == "__main__":
    main()
