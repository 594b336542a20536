"""The model: a folder with everything that was trained, as tensors and plain files; no pickle.

model.json            what it is and how it was trained (`ModelCard`)
encoder/              the language model, a Hugging Face folder
weights.safetensors   projection, user tower and scorer
items.sqlite          the catalogue; an item's row is its place in every array
vectors.npy           float32 [items, dim], unit rows
residual.npy          float32 [items, dim]: vector = normalise(encoder(text) + residual), but for items that nobody
                      took, which have no residual and stand where `pocketrec.newcomers` puts them
popularity.npy        int32 [items], interactions that training saw
trend.npy             float32 [items], from 0 to 1: how much each is taken of late; all 0 where that says no more
neighbours/           item-item weights of what is taken together
followers/            item-item weights of what is taken next
held_out.npz          validation users or queries, for the gate
"""

import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pocketrec.catalogue import Catalogue, write_catalogue
from pocketrec.config import Config
from pocketrec.errors import ModelError
from pocketrec.features import KINDS
from pocketrec.items import Item
from pocketrec.neighbours import Neighbours
from pocketrec.staging import staged_folder
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import Encoder, TextModel
from pocketrec_export.graphs.factorisation import FactorisationTower
from pocketrec_export.graphs.pretrained import Pooling
from pocketrec_export.graphs.scorer import Scorer, ScorerConfig, build_scorer
from pocketrec_export.graphs.user import TowerConfig, UserTower
from pocketrec_export.held_out import HeldOut
from pocketrec_export.tokenizer import FILE as TOKENIZER
from pocketrec_export.tokenizer import read_tokenizer

FORMAT = 2
"""2: what is taken of late. 1: popularity alone."""
CONTENTS = (
    "model.json",
    "encoder",
    "weights.safetensors",
    "items.sqlite",
    "vectors.npy",
    "residual.npy",
    "popularity.npy",
    "trend.npy",
    "neighbours",
    "followers",
    "held_out.npz",
)
"""What stands in a model's folder."""
_LEFT_OUT = ("onnx", "openvino", "*.bin*", "*.h5", "*.msgpack", "*.ot")
"""What a language model's folder may hold of the same weights in other forms."""


class ModelCard(Config, frozen=True, kw_only=True):
    """model.json."""

    format: int
    name: str
    kind: Literal["tower", "factorisation"]
    """User tower over text and behaviour, or matrix factorisation."""
    dim: Annotated[int, msgspec.Meta(ge=2)]
    encoder: str
    """Name of the language model."""
    tuned: str
    """What of it learnt: `none`, `lora`, `top:N`, `all`."""
    pooling: Pooling
    max_tokens: Annotated[int, msgspec.Meta(ge=4)]
    template: TextTemplate
    tower: TowerConfig
    slices: tuple[int, ...]
    """Shorter lengths at which vectors rank too: the inner product of their first components."""
    scorer: ScorerConfig
    candidates: Annotated[int, msgspec.Meta(ge=1)]
    newcomer_length: float
    """Of the vectors of items that nobody has taken yet."""
    neighbour_decay: float
    neighbour_level: float
    """Votes of neighbours for an item that nobody took, against those for another on average."""
    follower_decay: float
    follower_level: float
    split: str
    """What was held out of training: `leave-last-out`, `global-time`, `last-basket`, `cold-items`, `queries`."""
    dataset: str
    """Name of the data set."""
    dataset_digest: str
    seed: int
    validation: dict[str, float]
    """Figures on validation users."""
    versions: dict[str, str]
    trend_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """How fast trends pass, as a share of all interactions; 0 for no trend."""


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model in memory."""

    card: ModelCard
    encoder: Encoder
    encoder_folder: Path
    """Where the language model's own files lie."""
    user: UserTower | FactorisationTower
    scorer: Scorer
    items: list[Item]
    vectors: NDArray[np.float32]
    residual: NDArray[np.float32]
    popularity: NDArray[np.int32]
    trend: NDArray[np.float32]
    neighbours: Neighbours
    followers: Neighbours
    held_out: HeldOut

    def save(self, folder: Path) -> None:
        """Write the folder whole, or leave what was there."""
        with staged_folder(folder) as aside:
            self._save_encoder(aside / "encoder")
            save_file(self._weights(), aside / "weights.safetensors")
            write_catalogue(aside / "items.sqlite", self.items)
            np.save(aside / "vectors.npy", self.vectors)
            np.save(aside / "residual.npy", self.residual)
            np.save(aside / "popularity.npy", self.popularity)
            np.save(aside / "trend.npy", self.trend)
            self.neighbours.save(aside / "neighbours")
            self.followers.save(aside / "followers")
            self.held_out.save(aside / "held_out.npz")
            card = msgspec.json.format(msgspec.json.encode(self.card), indent=2)
            (aside / "model.json").write_bytes(card + b"\n")

    @classmethod
    def load(cls, folder: Path) -> "Model":
        """Read what `save` wrote.

        Raises:
            ModelError: The folder is missing, incomplete or of a newer format.
        """
        card = read_card(folder)
        try:
            weights = load_file(folder / "weights.safetensors")
            vectors, residual, popularity = (
                np.load(folder / f"{name}.npy") for name in ("vectors", "residual", "popularity")
            )
            if card.format == 1:
                trend = np.zeros(len(popularity), np.float32)
                if card.scorer.kind != "dot":
                    weights |= {
                        "scorer.features.trend": torch.zeros(1),
                        "scorer.features.trend_added": torch.zeros(len(KINDS)),
                        "scorer.features.trend_scale": torch.ones(1),
                    }
            else:
                trend = np.load(folder / "trend.npy")
            neighbours = Neighbours.open(folder / "neighbours", card.neighbour_decay)
            followers = Neighbours.open(folder / "followers", card.follower_decay)
            items = Catalogue.open(folder / "items.sqlite").all_items()
        except (OSError, ValueError, EOFError, SafetensorError, sqlite3.Error) as error:
            raise ModelError(f"{folder} is not a whole model: {error}; train it again") from None
        read_tokenizer(folder / "encoder")
        text_model = TextModel.open(folder / "encoder", card.pooling, card.max_tokens)
        encoder = Encoder(text_model, nn.Linear(text_model.width, card.dim))
        user = UserTower(card.dim, card.tower) if card.kind == "tower" else FactorisationTower(card.dim)
        scorer = build_scorer(card.dim, card.scorer)
        _load(encoder.projection, "projection.", weights, folder)
        _load(user, "user.", weights, folder)
        _load(scorer, "scorer.", weights, folder)
        return cls(
            card=card,
            encoder=encoder.eval(),
            encoder_folder=folder / "encoder",
            user=user.eval(),
            scorer=scorer.eval(),
            items=items,
            vectors=vectors,
            residual=residual,
            popularity=popularity,
            trend=trend,
            neighbours=neighbours,
            followers=followers,
            held_out=HeldOut.load(folder / "held_out.npz"),
        )

    def _save_encoder(self, folder: Path) -> None:
        """The language model's folder, with weights and tokenizer in the forms that everything after reads."""
        shutil.copytree(self.encoder_folder, folder, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        if self.card.tuned != "none" or not any(folder.glob("*.safetensors")):
            self.encoder.text_model.transformer.save_pretrained(folder)  # type: ignore[operator]
        if not (folder / TOKENIZER).exists():
            read_tokenizer(self.encoder_folder).save(str(folder / TOKENIZER))

    def _weights(self) -> dict[str, Tensor]:
        parts: dict[str, nn.Module] = {
            "projection.": self.encoder.projection,
            "user.": self.user,
            "scorer.": self.scorer,
        }
        return {
            prefix + name: tensor.detach().contiguous()
            for prefix, part in parts.items()
            for name, tensor in part.state_dict().items()
        }


def read_card(folder: Path) -> ModelCard:
    """Read model.json alone.

    Raises:
        ModelError: No model there, or one of a newer format.
    """
    path = folder / "model.json"
    try:
        card = msgspec.json.decode(path.read_bytes(), type=ModelCard)
    except OSError as error:
        raise ModelError(
            f"{folder} is not a model: can't read model.json ({error.strerror}); "
            "make one with: pocketrec train --data DATASET --out MODEL"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}; train the model again with this version of pocketrec") from None
    if card.format > FORMAT:
        raise ModelError(f"{path} has format {card.format}; this version reads up to {FORMAT}")
    return card


def _load(part: nn.Module, prefix: str, weights: Mapping[str, Tensor], folder: Path) -> None:
    own = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    try:
        part.load_state_dict(own)
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise ModelError(
            f"{folder}/weights.safetensors doesn't fit model.json: {why}; train it again with this version of pocketrec"
        ) from None
    part.requires_grad_(False)
