"""SASRec of RecTools in a process of its own, as RecTools wants an older numpy than the project.

Says its version, then reads one command a line, a JSON object, and answers each with a line; arrays go through files:

    {"train": "histories.npz", "epochs": 2}     the first call names the histories, later ones go on with them
    {"rank": "histories.npz", "to": "ranked.npz", "k": 10, "allow_seen": false, "among": [3, 5, 8]}

Histories are stored as `rows`, all one after the other, and `lengths`.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


def table(path: str) -> tuple[Dataset, int]:
    """Histories as RecTools takes them, and how many there are; places are times."""
    stored = np.load(path)
    lengths, rows = stored["lengths"], stored["rows"]
    users = np.repeat(np.arange(len(lengths)), lengths)
    frame = pd.DataFrame({Columns.User: users, Columns.Item: rows, Columns.Weight: 1.0})
    place = frame.groupby(Columns.User).cumcount()
    frame[Columns.Datetime] = pd.Timestamp("2000-01-01") + pd.to_timedelta(place, unit="D")
    return Dataset.construct(frame), len(lengths)


def rank(model: SASRecModel, command: dict[str, Any]) -> np.ndarray:
    """Rows of the best items for each history [n, k], -1 where there are fewer."""
    asked, count = table(command["rank"])
    ranked = np.full((count, command["k"]), -1, np.int32)
    known = asked.user_id_map.external_ids
    found = model.recommend(
        users=known,
        dataset=asked,
        k=command["k"],
        filter_viewed=not command["allow_seen"],
        items_to_recommend=command["among"],
        on_unsupported_targets="ignore",
    )
    ranked[found[Columns.User], found[Columns.Rank] - 1] = found[Columns.Item]
    return ranked


def main() -> None:
    """Serve until the input ends."""
    settings, model, learnt = json.loads(sys.argv[1]), None, None
    print(version("rectools"), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "train" in command:
            if model is None:
                model = SASRecModel(**settings)
                learnt, _ = table(command["train"])
            model.fit_partial(learnt, min_epochs=command["epochs"], max_epochs=command["epochs"])
        else:
            np.savez(Path(command["to"]), ranked=rank(model, command))
        print("done", flush=True)


if __name__ == "__main__":
    main()
