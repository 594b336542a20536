"""The index of a bundle, and the item vectors in it, by the encoder that ships."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pocketrec.newcomers import settled
from pocketrec_export.bundle_writer import Graph, Index
from pocketrec_export.graphs.user import QUERY, UserTower
from pocketrec_export.index_builder import IndexConfig, build_index
from pocketrec_export.int8.gate import first_half
from pocketrec_export.item_texts import item_texts, reader
from pocketrec_export.model import Model

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ItemIndexes:
    """Builds them. Items with behaviour keep their trained vectors, whichever encoder reads new texts.

    Items that have only text are read by the shipped encoder, so that adding such an item again at run time puts it in
    the same place.
    """

    model: Model
    config: IndexConfig
    users: list[Vectors]
    """User vectors to tune a search with, by kind of request."""
    full: Index
    """With the float32 encoder."""
    work: Path

    @classmethod
    def of(cls, model: Model, encoder: Graph, config: IndexConfig, work: Path) -> "ItemIndexes":
        """Start with the index of the float32 encoder.

        Args:
            model: With trained vectors.
            encoder: In float32.
            config: Links, breadths, target.
            work: Folder for the files.
        """
        users = [_user_vectors(model)]
        if isinstance(model.user, UserTower):
            users.append(_query_vectors(model, encoder))
        return cls(model, config, users, _built(model, encoder, config, users, work), work)

    def read_by(self, encoder: Graph) -> Index:
        """The index with another form of the encoder."""
        if not len(_only_text(self.model)):
            return self.full
        return _built(self.model, encoder, self.config, self.users, self.work)


def _built(model: Model, encoder: Graph, config: IndexConfig, users: list[Vectors], work: Path) -> Index:
    vectors, only_text = model.vectors.copy(), _only_text(model)
    if len(only_text):
        texts = item_texts(model, only_text.tolist())
        vectors[only_text] = reader(model, encoder.path).encode(texts, model.card.dim)
        known = model.popularity > 0
        vectors[~known] = settled(vectors[~known], vectors, known, model.card.newcomer_length)
    path = work / f"index.{encoder.path.stem}.hnsw"
    return Index(path, build_index(vectors, users, model.card.candidates, config, path), vectors)


def _only_text(model: Model) -> NDArray[np.intp]:
    """Rows of items that no behaviour moved."""
    return np.flatnonzero(~model.residual.any(axis=1))


@torch.inference_mode()
def _user_vectors(model: Model, most: int = 500) -> Vectors:
    """User vectors of held-out histories; of single items where there are none."""
    cases = model.held_out.sample(most, seed=0)
    histories = [rows[-model.card.tower.history :] for rows in cases.histories if len(rows)]
    if not histories:
        histories = [np.array([row], dtype=np.int32) for row in range(min(most, len(model.items)))]
    vectors = torch.from_numpy(model.vectors)
    users = [
        model.user(
            vectors[rows.astype(np.int64)][None],
            torch.zeros(1, len(rows), dtype=torch.long),
            torch.ones(1, len(rows)),
        )
        for rows in histories
    ]
    return torch.cat(users).numpy()


@torch.inference_mode()
def _query_vectors(model: Model, encoder: Graph, most: int = 300) -> Vectors:
    """User vectors of queries alone, the first halves of some titles."""
    chosen = np.random.default_rng(0).permutation(len(model.items))[:most]
    asked = reader(model, encoder.path).encode([first_half(model.items[row].title) for row in chosen], model.card.dim)
    kinds = torch.full((len(asked), 1), QUERY)
    users: Vectors = model.user(torch.from_numpy(asked)[:, None], kinds, torch.ones(len(asked), 1)).numpy()
    return users
