"""Train a model: text vectors, then tower or factorisation, then neighbours, then the scorer that weighs them."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor, nn

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.errors import DataError
from pocketrec.index import VectorIndex
from pocketrec.results import installed_versions
from pocketrec.staging import check_replaceable
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import Encoder, TextModel
from pocketrec_export.graphs.factorisation import FactorisationTower
from pocketrec_export.graphs.pretrained import Pooling, stated_pooling
from pocketrec_export.graphs.scorer import ScorerConfig
from pocketrec_export.graphs.user import TowerConfig, UserTower
from pocketrec_export.held_out import HeldOut
from pocketrec_export.model import FORMAT, Model, ModelCard
from pocketrec_export.rankings import ndcg
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.evaluate.splits import Split, make_split
from pocketrec_training.factorisation import FactorisationConfig, fit_factors
from pocketrec_training.neighbour_choice import NeighbourChoiceConfig, choose_neighbours
from pocketrec_training.scorer_training import Cases, Retriever, ScorerTrainingConfig, train_scorer
from pocketrec_training.sequences import FRAGMENTS, request_texts
from pocketrec_training.text_vectors import default_encoder, text_vectors
from pocketrec_training.tower_training import TowerTrainingConfig, rank_by_tower, train_tower, user_vectors

Rows = NDArray[np.int32]


class TrainConfig(Config, frozen=True, kw_only=True):
    """Everything that training can be told; a file in training/configs, or `--set KEY=VALUE`."""

    kind: Literal["tower", "factorisation"] = "tower"
    """User tower over text and behaviour, or plain matrix factorisation."""
    dim: Annotated[int, Meta(ge=2)] = 128
    """Length of item and user vectors."""
    encoder: str = ""
    """Folder of a Hugging Face text model; empty for all-MiniLM-L6-v2."""
    pooling: Pooling | None = None
    """Overrides what the encoder's folder says."""
    max_tokens: Annotated[int, Meta(ge=4, le=512)] = 64
    """Longer texts are cut."""
    template: TextTemplate = TextTemplate()
    split: Literal["leave-last-out", "global-time", "last-basket"] = "leave-last-out"
    """What is held out for validation and test."""
    tower: TowerConfig = TowerConfig()
    training: TowerTrainingConfig = TowerTrainingConfig()
    factorisation: FactorisationConfig = FactorisationConfig()
    neighbours: NeighbourChoiceConfig = NeighbourChoiceConfig()
    scorer: ScorerConfig = ScorerConfig()
    scorer_training: ScorerTrainingConfig = ScorerTrainingConfig()
    candidates: Annotated[int, Meta(ge=1)] = 50
    """Items from the index, and as many each from neighbours and followers, that the scorer ranks."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """What the frozen language model says."""

    items: NDArray[np.float32]
    requests: NDArray[np.float32]
    rendered: list[str]


def train(dataset: Dataset, out: Path, config: TrainConfig, seed: int = 0, resume: bool = False) -> Model:
    """Train a model and write its folder; what is unfinished lies in a checkpoint beside it.

    Args:
        dataset: Prepared data.
        out: Folder of the model; written whole at the end.
        config: What to train and how.
        seed: Of everything random: the same seed, data, config and machine give the same model.
        resume: Take up an earlier run that was killed, instead of starting anew.

    Raises:
        DataError: The data set has too little to learn from, or something else lies at `out`.
    """
    check_replaceable(out, "model.json", "a model")
    split = make_split(dataset, config.split)
    checkpoint = out.absolute().parent / f".{out.name}-checkpoint"
    if not resume:
        shutil.rmtree(checkpoint, ignore_errors=True)
    bound = text_digest(msgspec.json.encode(config).decode(), dataset_digest(dataset.card), str(seed))
    model = fit_model(dataset, split, config, seed, checkpoint / f"{bound[:16]}.pt")
    model.save(out)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return model


def fit_model(dataset: Dataset, split: Split, config: TrainConfig, seed: int, checkpoint: Path | None = None) -> Model:
    """Train on a split of a data set, in memory.

    Args:
        dataset: Prepared data.
        split: What to learn from, and the validation cases for every choice.
        config: What to train and how.
        seed: Of everything random.
        checkpoint: File to resume from, if it is there, and to write after each epoch.

    Raises:
        DataError: Fewer than two users or items to learn from.
    """
    learners = sum(len(rows) >= 2 for rows in split.fit)
    if learners < 2 or len(dataset.items) < 2:
        raise DataError(
            f"{dataset.card.name} has {learners} users with two interactions or more outside validation and test, "
            f"and {len(dataset.items)} items: too few to learn from"
        )
    encoder_folder = Path(config.encoder) if config.encoder else default_encoder()
    pooling = config.pooling or stated_pooling(encoder_folder)
    texts = _read_texts(dataset, config, encoder_folder, pooling, seed)
    popularity = split.popularity(len(dataset.items)).astype(np.int32)
    if config.kind == "tower":
        fitted = _fit_tower(texts, split, popularity == 0, config, seed, checkpoint)
    else:
        fitted = _fit_factorisation(texts, split, popularity == 0, config, seed)
    neighbours, followers = choose_neighbours(
        split.fit, texts.rendered, split.validation, config.neighbours, config.tower.history
    )
    retriever = Retriever(
        vectors=fitted.vectors,
        popularity=popularity,
        neighbours=neighbours.weights,
        followers=followers.weights,
        index=VectorIndex.exact_only(fitted.vectors),
        history=config.tower.history,
        count=config.candidates,
    )
    cases = split.validation.sample(config.scorer_training.cases, seed)
    groups = _scorer_cases(fitted, texts, cases, config, seed)
    trained = train_scorer(retriever, groups, config.scorer, config.scorer_training, seed)
    ranked = rank_by_tower(fitted.user, torch.from_numpy(fitted.vectors), cases.histories, config.tower.history, 10)
    card = ModelCard(
        format=FORMAT,
        name=dataset.card.name,
        kind=config.kind,
        dim=config.dim,
        encoder=encoder_folder.name if config.encoder else "all-MiniLM-L6-v2",
        pooling=pooling,
        max_tokens=config.max_tokens,
        template=config.template,
        tower=config.tower,
        scorer=config.scorer,
        candidates=config.candidates,
        neighbour_decay=neighbours.weights.decay,
        follower_decay=followers.weights.decay,
        split=split.name,
        dataset=dataset.card.name,
        dataset_digest=dataset_digest(dataset.card),
        seed=seed,
        validation={
            "tower/ndcg@10": float(np.mean(ndcg(ranked, cases.targets))) if len(cases) else 0.0,
            "neighbours/ndcg@10": neighbours.ndcg,
            "followers/ndcg@10": followers.ndcg,
            **({} if trained.ndcg is None else {"ndcg@10": trained.ndcg}),
        },
        versions=installed_versions(),
    )
    return Model(
        card=card,
        encoder=Encoder(TextModel.open(encoder_folder, pooling, config.max_tokens), fitted.projection).eval(),
        encoder_folder=encoder_folder,
        user=fitted.user,
        scorer=trained.scorer,
        items=dataset.items,
        vectors=fitted.vectors,
        residual=fitted.residual,
        popularity=popularity,
        neighbours=neighbours.weights,
        followers=followers.weights,
        held_out=split.validation,
    )


def _read_texts(dataset: Dataset, config: TrainConfig, encoder: Path, pooling: Pooling, seed: int) -> _Texts:
    rendered = [config.template.render(item) for item in dataset.items]
    items = text_vectors(rendered, encoder, pooling, config.max_tokens, "Reading items")
    asked = [text for texts in request_texts(dataset.items, seed) for text in texts]
    requests = text_vectors(asked, encoder, pooling, config.max_tokens, "Reading requests")
    return _Texts(items, requests.reshape(len(items), FRAGMENTS + 1, -1), rendered)


@torch.inference_mode()
def _scorer_cases(fitted: "_Fitted", texts: _Texts, cases: HeldOut, config: TrainConfig, seed: int) -> list[Cases]:
    """Validation users as they are, and once more with a query for their target and a part of their history."""
    vectors, history = torch.from_numpy(fitted.vectors), config.tower.history
    plain = user_vectors(fitted.user, vectors, cases.histories, history).numpy()
    random = np.random.default_rng(seed)
    kept = random.integers(0, history + 1, len(cases)) * (random.random(len(cases)) < 0.5)
    short = [rows[len(rows) - min(len(rows), keep) :] for rows, keep in zip(cases.histories, kept, strict=True)]
    wanted = np.array([rows[0] for rows in cases.targets], dtype=np.int64)
    asked = torch.from_numpy(texts.requests[wanted, random.integers(0, FRAGMENTS, len(cases))])
    queries = F.normalize(fitted.projection(asked), dim=-1)
    users = user_vectors(fitted.user, vectors, short, history, queries).numpy()
    return [
        Cases(plain, cases.histories, cases.targets),
        Cases(users, short, cases.targets, queries.numpy()),
    ]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Item and user side of a model, in one space of unit vectors."""

    projection: nn.Linear
    user: UserTower | FactorisationTower
    vectors: NDArray[np.float32]
    residual: NDArray[np.float32]


def _fit_tower(
    texts: _Texts,
    split: Split,
    cold: NDArray[np.bool_],
    config: TrainConfig,
    seed: int,
    checkpoint: Path | None,
) -> _Fitted:
    trained = train_tower(
        text_vectors=texts.items,
        request_vectors=texts.requests,
        fit=split.fit,
        validation=split.validation,
        dim=config.dim,
        shape=config.tower,
        config=config.training,
        seed=seed,
        checkpoint=checkpoint,
    )
    table = trained.table
    with torch.no_grad():
        table.residual[torch.from_numpy(cold)] = 0  # never learnt: what is there is the random start
        return _Fitted(table.projection, trained.tower, table().numpy(), table.residual.detach().numpy())


def _fit_factorisation(texts: _Texts, split: Split, cold: NDArray[np.bool_], config: TrainConfig, seed: int) -> _Fitted:
    """Factors from behaviour alone; a ridge regression from text to factors places cold items and queries.

    The mapping is that of Gantner et al. 2010 ("Learning attribute-to-feature mappings for cold-start
    recommendations"), from text vectors instead of attributes.
    """
    factors = fit_factors(split.fit, len(cold), config.dim - 1, config.factorisation, seed).items
    tower = FactorisationTower.of_factors(factors, config.factorisation.regularisation, config.factorisation.confidence)
    unit = tower.unit_vectors(factors)
    projection = _ridge(torch.from_numpy(texts.items), unit, torch.from_numpy(~cold))
    with torch.no_grad():
        read = F.normalize(projection(torch.from_numpy(texts.items)), dim=-1)
    vectors = torch.where(torch.from_numpy(cold)[:, None], read, unit)
    return _Fitted(projection, tower, vectors.numpy(), (vectors - read).numpy())


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
