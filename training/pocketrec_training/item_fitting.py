"""Fit item vectors and the user side of a model, in one space: by tower and text, or by factorisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pocketrec.items import Item
from pocketrec.newcomers import settled
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.factorisation import FactorisationTower
from pocketrec_export.graphs.pretrained import Pooling
from pocketrec_export.graphs.user import TowerConfig, UserTower
from pocketrec_export.text_vectors import encode_texts, text_vectors
from pocketrec_training.encoder.reading import EncoderConfig, Reading
from pocketrec_training.encoder.tower_tuning import tune_by_tower
from pocketrec_training.encoder.vote_tuning import tune_by_votes
from pocketrec_training.evaluate.splits import Split
from pocketrec_training.factorisation import FactorisationConfig, fit_factors
from pocketrec_training.newcomers.length import fair_length
from pocketrec_training.tower.context import Contexts
from pocketrec_training.tower.item_table import ItemTable
from pocketrec_training.tower.lessons import Lessons
from pocketrec_training.tower.ranking import user_vectors
from pocketrec_training.tower.request_texts import RequestTexts, RequestVectors
from pocketrec_training.tower.training import AfterEpoch, TowerTrainingConfig, train_tower

_MEASURED = 1000
"""Validation users by whom the length of newcomers is measured."""


@dataclass(frozen=True, slots=True)
class Source:
    """What there is to read, and by which language model."""

    folder: Path
    pooling: Pooling
    items: list[Item]
    template: TextTemplate
    requests: RequestTexts

    @property
    def texts(self) -> list[str]:
        """Of each item."""
        return [self.template.render(item) for item in self.items]

    def item_vectors(self, max_tokens: int) -> NDArray[np.float32]:
        """Of each item's text, by the model as it came: float32 [items, width]."""
        return text_vectors(self.texts, self.folder, self.pooling, max_tokens, "Reading items")

    def request_vectors(self, max_tokens: int) -> RequestVectors:
        """Of requests, by the model as it came."""
        return self.requests.read(
            lambda texts: text_vectors(texts, self.folder, self.pooling, max_tokens, "Reading requests")
        )

    def read_by(self, model: TextModel, max_tokens: int) -> tuple[NDArray[np.float32], RequestVectors]:
        """Of items' texts and of requests, by a tuned model."""

        def read(texts: Sequence[str], what: str) -> NDArray[np.float32]:
            return encode_texts(texts, model, self.folder, max_tokens, what)

        return read(self.texts, "Reading items"), self.requests.read(lambda texts: read(texts, "Reading requests"))

    def reading(self, model: TextModel, config: EncoderConfig, seed: int) -> Reading:
        """A model that is to learn."""
        return Reading.open(model, self.folder, self.items, self.template, config, np.random.default_rng(seed))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Item and user side of a model, in one space of unit vectors."""

    text_model: TextModel
    projection: nn.Linear
    user: UserTower | FactorisationTower
    vectors: NDArray[np.float32]
    residual: NDArray[np.float32]
    texts: Sequence[str]
    """Of the items."""
    read: NDArray[np.float32]
    """Their vectors, before the projection [items, width]."""
    requests: RequestVectors
    """As the language model reads them now."""
    newcomer_length: float
    """Of the vectors of items that nobody took."""

    def projected(self, text_vectors: Tensor) -> Tensor:
        """Unit vectors of texts in the space of items, float [texts, dim]."""
        return F.normalize(self.projection(text_vectors), dim=-1)


class _Config(Protocol):
    """The part of a `TrainConfig` that is read here."""

    @property
    def dim(self) -> int: ...
    @property
    def encoder(self) -> EncoderConfig: ...
    @property
    def training(self) -> TowerTrainingConfig: ...
    @property
    def factorisation(self) -> FactorisationConfig: ...


def fit_tower(
    source: Source,
    split: Split,
    contexts: Contexts,
    config: _Config,
    shape: TowerConfig,
    seed: int,
    checkpoint: Path | None,
    after_epoch: AfterEpoch,
) -> Fitted:
    """Train items and tower on what the encoder reads; before or after that the encoder, if the config says so.

    Args:
        source: Texts and language model.
        split: What to learn from.
        contexts: What is known of each event.
        config: Of the training.
        shape: Of the tower.
        seed: Of everything random.
        checkpoint: Folder to resume from, and to write to.
        after_epoch: Told how the tower's training goes; may raise to end it.
    """
    how = config.encoder
    kept = {name: None if checkpoint is None else checkpoint / f"{name}.pt" for name in ("tower", "encoder")}
    text_model = TextModel.open(source.folder, source.pooling, how.max_tokens)
    torch.manual_seed(seed)  # LoRA draws its weights
    if how.tune != "none" and how.teacher == "votes":
        reading = source.reading(text_model, how, seed)
        popularity = split.popularity(len(source.items))
        tune_by_votes(reading, split.fit, popularity, shape.positions, how.rounds, how.steps, seed, kept["encoder"])
        text_model = reading.reader.finished()
        read, requests = source.read_by(text_model, how.max_tokens)
    else:
        read, requests = source.item_vectors(how.max_tokens), source.request_vectors(how.max_tokens)
    lessons = Lessons.of(split, contexts, requests)
    torch.manual_seed(seed)
    table = ItemTable(read, config.dim, config.training.residual)
    tower = UserTower(config.dim, shape)
    train_tower(table, tower, lessons, config.training, seed, checkpoint=kept["tower"], after_epoch=after_epoch)
    if how.tune != "none" and how.teacher == "tower":
        torch.manual_seed(seed)  # the same in all processes, and in one that was killed and goes on
        reading = source.reading(text_model, how, seed)
        tune_by_tower(reading, table, tower, lessons, how, config.training, seed, kept["encoder"])
        text_model = reading.reader.finished()
        # As the runtime will read them, without what the reader kept in half precision.
        read, requests = source.read_by(text_model, how.max_tokens)
        with torch.no_grad():
            table.text_vectors.copy_(torch.from_numpy(read))
    length = _fair_length(table, tower, split, seed)
    return _fitted(text_model, source.texts, table, tower, requests, split, length)


def refit_tower(
    fitted: Fitted, split: Split, contexts: Contexts, training: TowerTrainingConfig, seed: int, checkpoint: Path | None
) -> Fitted:
    """Go on with items and tower where training left off, on what may be learnt from now.

    Args:
        fitted: What training gave; its tower is changed in place.
        split: The final one.
        contexts: What is known of each event of it.
        training: How.
        seed: Of everything random.
        checkpoint: File to resume from, and to write to.
    """
    assert isinstance(fitted.user, UserTower)
    torch.manual_seed(seed)
    read, residual = torch.from_numpy(fitted.read), torch.from_numpy(fitted.residual)
    table = ItemTable.learnt(read, fitted.projection, residual)
    table.residual.requires_grad_(training.residual)
    lessons = Lessons.of(split, contexts, fitted.requests.final())
    train_tower(table, fitted.user, lessons, training, seed, checkpoint=checkpoint)
    return _fitted(fitted.text_model, fitted.texts, table, fitted.user, fitted.requests, split, fitted.newcomer_length)


def _measured(split: Split, seed: int) -> list[NDArray[np.int32]]:
    """Histories of some validation users; queries have none."""
    return [rows for rows in split.validation.sample(_MEASURED, seed).histories if len(rows)]


@torch.no_grad()
def _fair_length(table: ItemTable, tower: UserTower, split: Split, seed: int) -> float:
    histories, vectors = _measured(split, seed), table()
    users = user_vectors(tower, vectors, histories, tower.history).numpy()
    known = split.popularity(len(table.residual)) > 0
    return fair_length(users, histories, vectors.numpy(), table.read(table.text_vectors).numpy(), known, seed)


@torch.no_grad()
def _fitted(
    text_model: TextModel,
    texts: Sequence[str],
    table: ItemTable,
    tower: UserTower,
    requests: RequestVectors,
    split: Split,
    length: float,
) -> Fitted:
    """What training leaves, with those items settled that nobody took."""
    known = split.popularity(len(table.residual)) > 0
    vectors = table().numpy()
    vectors[~known] = settled(vectors[~known], vectors, known, length)
    residual, read = table.residual.detach().numpy(), table.text_vectors.numpy()
    return Fitted(text_model, table.projection, tower, vectors, residual, texts, read, requests, length)


def fit_factorisation(source: Source, split: Split, config: _Config, seed: int) -> Fitted:
    """Factors from behaviour alone; a ridge regression from text to factors places cold items and queries.

    The mapping is that of Gantner et al. 2010 ("Learning attribute-to-feature mappings for cold-start
    recommendations"), from text vectors instead of attributes.
    """
    items = torch.from_numpy(source.item_vectors(config.encoder.max_tokens))
    cold = torch.from_numpy(split.popularity(len(items)) == 0)
    factors = fit_factors(split.fit, len(items), config.dim - 1, config.factorisation, seed).items
    tower = FactorisationTower.of_factors(factors, config.factorisation.regularisation, config.factorisation.confidence)
    unit = tower.unit_vectors(factors)
    projection = _ridge(items, unit, ~cold)
    with torch.no_grad():
        read = F.normalize(projection(items), dim=-1)
    placed = torch.where(cold[:, None], read, unit)
    residual, vectors, known = (placed - read).numpy(), placed.numpy(), ~cold.numpy()
    histories = _measured(split, seed)
    users = user_vectors(tower, placed, histories, max(map(len, histories), default=1)).numpy()
    length = fair_length(users, histories, vectors, read.numpy(), known, seed)
    vectors[~known] = settled(vectors[~known], vectors, known, length)
    text_model = TextModel.open(source.folder, source.pooling, config.encoder.max_tokens)
    requests = source.request_vectors(config.encoder.max_tokens)
    return Fitted(text_model, projection, tower, vectors, residual, source.texts, items.numpy(), requests, length)


def _ridge(inputs: Tensor, targets: Tensor, known: Tensor, penalty: float = 1.0) -> nn.Linear:
    """Linear map with bias, least squares with a penalty on the weights, over the known rows."""
    x, y = inputs[known], targets[known]
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    gram = (x - x_mean).T @ (x - x_mean) + penalty * torch.eye(x.shape[1])
    weights = torch.linalg.solve(gram, (x - x_mean).T @ (y - y_mean))
    projection = nn.Linear(inputs.shape[1], targets.shape[1])
    with torch.no_grad():
        projection.weight.copy_(weights.T)
        projection.bias.copy_(y_mean - x_mean @ weights)
    return projection
