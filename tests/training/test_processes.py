"""Two processes that share every batch take the steps of one."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from pocketrec_export.model import Model
from pocketrec_training.train import train

PROGRAM = """
import sys
from pathlib import Path
import msgspec
from pocketrec_training.dataset import Dataset
from pocketrec_training.train import TrainConfig, train
data, config, out = map(Path, sys.argv[1:])
train(Dataset.load(data), out, msgspec.json.decode(config.read_bytes(), type=TrainConfig), seed=0)
"""


@pytest.mark.parametrize(
    ("teacher", "choice"),
    [("tower", {}), ("votes", {}), ("tower", {"loss": "sampled-softmax", "negatives": "in-batch"})],
)
def test_two_processes_end_where_one_does(toy_config, tmp_path, teacher, choice):
    from toys import write_shop

    from pocketrec_training.dataset import Dataset
    from pocketrec_training.prepare import find_source, prepare

    prepare(find_source(write_shop(tmp_path / "raw")), tmp_path / "dataset")
    config = msgspec.structs.replace(
        toy_config,
        tower=msgspec.structs.replace(toy_config.tower, dropout=0.0),  # its masks are each process's own
        training=msgspec.structs.replace(toy_config.training, epochs=3, **choice),
        encoder=msgspec.structs.replace(
            toy_config.encoder, tune="top:1", teacher=teacher, rounds=1, rate=1e-3, texts=24, chunk=8
        ),
    )
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config))
    (tmp_path / "program.py").write_text(PROGRAM)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--dynamo_backend", "no", "--mixed_precision", "no"]
    launch += ["--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
    paths = [str(tmp_path / name) for name in ("dataset", "config.json", "shared")]
    done = subprocess.run([*launch, str(tmp_path / "program.py"), *paths], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    alone = train(Dataset.load(tmp_path / "dataset"), tmp_path / "alone", config, seed=0)
    shared = Model.load(tmp_path / "shared")
    assert np.abs(shared.vectors - alone.vectors).max() < 1e-3
    assert shared.card.validation["tower/ndcg@10"] == pytest.approx(alone.card.validation["tower/ndcg@10"], abs=0.01)
