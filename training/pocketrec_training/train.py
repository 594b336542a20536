"""Train a model: text vectors, then tower or factorisation, then neighbours, then the scorer that weighs them."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.errors import DataError
from pocketrec.index import VectorIndex
from pocketrec.results import installed_versions
from pocketrec.staging import check_replaceable
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import Encoder
from pocketrec_export.graphs.pretrained import stated_pooling
from pocketrec_export.graphs.scorer import ScorerConfig
from pocketrec_export.graphs.user import TowerConfig
from pocketrec_export.held_out import HeldOut
from pocketrec_export.model import FORMAT, Model, ModelCard
from pocketrec_export.rankings import ndcg
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.encoder_tuning import EncoderConfig
from pocketrec_training.evaluate.splits import Split, make_split
from pocketrec_training.factorisation import FactorisationConfig
from pocketrec_training.item_fitting import Fitted, Source, fit_factorisation, fit_tower
from pocketrec_training.memory import keep_freed_memory
from pocketrec_training.neighbour_choice import NeighbourChoiceConfig, choose_neighbours
from pocketrec_training.processes import Processes
from pocketrec_training.scorer_training import Cases, Retriever, ScorerTrainingConfig, train_scorer
from pocketrec_training.sequences import FRAGMENTS, request_texts
from pocketrec_training.text_vectors import default_encoder
from pocketrec_training.tower_ranking import rank_by_tower, user_vectors
from pocketrec_training.tower_training import AfterEpoch, TowerTrainingConfig, go_on

Rows = NDArray[np.int32]


class TrainConfig(Config, frozen=True, kw_only=True):
    """Everything that training can be told; a file in training/configs, or `--set KEY=VALUE`."""

    kind: Literal["tower", "factorisation"] = "tower"
    """User tower over text and behaviour, or plain matrix factorisation."""
    dim: Annotated[int, Meta(ge=2)] = 128
    """Length of item and user vectors."""
    encoder: EncoderConfig = EncoderConfig()
    template: TextTemplate = TextTemplate()
    split: Literal["leave-last-out", "global-time", "last-basket", "cold-items"] = "leave-last-out"
    """What is held out for validation and test."""
    order: Literal["known", "unknown"] | None = None
    """Whether the order of a history says something; by default it does unless most users' last two events tie."""
    tower: TowerConfig = TowerConfig()
    training: TowerTrainingConfig = TowerTrainingConfig()
    factorisation: FactorisationConfig = FactorisationConfig()
    neighbours: NeighbourChoiceConfig = NeighbourChoiceConfig()
    scorer: ScorerConfig = ScorerConfig()
    scorer_training: ScorerTrainingConfig = ScorerTrainingConfig()
    candidates: Annotated[int, Meta(ge=1)] = 50
    """Items from the index, and as many each from neighbours and followers, that the scorer ranks."""

    def tower_for(self, dataset: Dataset) -> TowerConfig:
        """The tower's shape, with positions where the order of a history says something."""
        known = not dataset.card.ties.unordered if self.order is None else self.order == "known"
        return msgspec.structs.replace(self.tower, positions=self.tower.positions and known)


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
    keep_freed_memory()
    processes = Processes.here()
    if not resume and processes.rank == 0:
        shutil.rmtree(checkpoint, ignore_errors=True)
    processes.wait()
    bound = text_digest(msgspec.json.encode(config).decode(), dataset_digest(dataset.card), str(seed))
    model = fit_model(dataset, split, config, seed, checkpoint / bound[:16])
    if processes.rank == 0:
        model.save(out)
        shutil.rmtree(checkpoint, ignore_errors=True)
    processes.wait()
    return model


def fit_model(
    dataset: Dataset,
    split: Split,
    config: TrainConfig,
    seed: int,
    checkpoint: Path | None = None,
    after_epoch: AfterEpoch = go_on,
) -> Model:
    """Train on a split of a data set, in memory.

    Args:
        dataset: Prepared data.
        split: What to learn from, and the validation cases for every choice.
        config: What to train and how.
        seed: Of everything random.
        checkpoint: Folder to resume from, and to write to after each epoch.
        after_epoch: Told how the tower's training goes; may raise to end it.

    Raises:
        DataError: Fewer than two users or items to learn from.
    """
    source, fitted = _fit_sides(dataset, split, config, seed, checkpoint, after_epoch)
    shape, reading = config.tower_for(dataset), config.encoder
    popularity = split.popularity(len(dataset.items)).astype(np.int32)
    neighbours, followers = choose_neighbours(
        split.fit, source.texts, fitted.read, split.validation, config.neighbours, shape.history
    )
    retriever = Retriever(
        vectors=fitted.vectors,
        popularity=popularity,
        neighbours=neighbours.weights,
        followers=followers.weights,
        index=VectorIndex.exact_only(fitted.vectors),
        history=shape.history,
        count=config.candidates,
    )
    cases = split.validation.sample(config.scorer_training.cases, seed)
    groups = _scorer_cases(fitted, cases, shape.history, seed)
    trained = train_scorer(retriever, groups, config.scorer, config.scorer_training, seed)
    card = ModelCard(
        format=FORMAT,
        name=dataset.card.name,
        kind=config.kind,
        dim=config.dim,
        encoder=source.folder.name if reading.folder else "all-MiniLM-L6-v2",
        tuned=reading.tune,
        pooling=source.pooling,
        max_tokens=reading.max_tokens,
        template=config.template,
        tower=shape,
        slices=config.training.slices,
        scorer=config.scorer,
        candidates=config.candidates,
        neighbour_decay=neighbours.weights.decay,
        follower_decay=followers.weights.decay,
        split=split.name,
        dataset=dataset.card.name,
        dataset_digest=dataset_digest(dataset.card),
        seed=seed,
        validation={
            "tower/ndcg@10": _quality_alone(fitted, cases, shape.history),
            "neighbours/ndcg@10": neighbours.ndcg,
            "followers/ndcg@10": followers.ndcg,
            **({} if trained.ndcg is None else {"ndcg@10": trained.ndcg}),
        },
        versions=installed_versions(),
    )
    return Model(
        card=card,
        encoder=Encoder(fitted.text_model, fitted.projection).eval(),
        encoder_folder=source.folder,
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


def tower_quality(
    dataset: Dataset, split: Split, config: TrainConfig, seed: int, after_epoch: AfterEpoch = go_on
) -> float:
    """What `fit_model` would write as `tower/ndcg@10`, without fitting neighbours, followers and scorer for it.

    Args:
        dataset: Prepared data.
        split: What to learn from, and the validation cases.
        config: What to train and how.
        seed: Of everything random.
        after_epoch: Told how the tower's training goes; may raise to end it.

    Raises:
        DataError: Fewer than two users or items to learn from.
    """
    _, fitted = _fit_sides(dataset, split, config, seed, None, after_epoch)
    cases = split.validation.sample(config.scorer_training.cases, seed)
    return _quality_alone(fitted, cases, config.tower.history)


def _fit_sides(
    dataset: Dataset,
    split: Split,
    config: TrainConfig,
    seed: int,
    checkpoint: Path | None,
    after_epoch: AfterEpoch,
) -> tuple[Source, Fitted]:
    learners = sum(len(rows) >= 2 for rows in split.fit)
    if learners < 2 or len(dataset.items) < 2:
        raise DataError(
            f"{dataset.card.name} has {learners} users with two interactions or more outside validation and test, "
            f"and {len(dataset.items)} items: too few to learn from"
        )
    folder = Path(config.encoder.folder) if config.encoder.folder else default_encoder()
    pooling = config.encoder.pooling or stated_pooling(folder)
    source = Source(folder, pooling, dataset.items, config.template, request_texts(dataset.items, seed))
    if config.kind == "tower":
        shape = config.tower_for(dataset)
        return source, fit_tower(source, split, config, shape, seed, checkpoint, after_epoch)
    return source, fit_factorisation(source, split, config, seed)


def _quality_alone(fitted: Fitted, cases: HeldOut, history: int) -> float:
    """NDCG@10 of inner products with the whole catalogue, history masked."""
    if not len(cases):
        return 0.0
    ranked = rank_by_tower(fitted.user, torch.from_numpy(fitted.vectors), cases.histories, history, 10)
    return float(np.mean(ndcg(ranked, cases.targets)))


@torch.inference_mode()
def _scorer_cases(fitted: Fitted, cases: HeldOut, history: int, seed: int) -> list[Cases]:
    """Validation users as they are, and once more with a query for their target and a part of their history."""
    vectors = torch.from_numpy(fitted.vectors)
    plain = user_vectors(fitted.user, vectors, cases.histories, history).numpy()
    random = np.random.default_rng(seed)
    kept = random.integers(0, history + 1, len(cases)) * (random.random(len(cases)) < 0.5)
    short = [rows[len(rows) - min(len(rows), keep) :] for rows, keep in zip(cases.histories, kept, strict=True)]
    wanted = np.array([rows[0] for rows in cases.targets], dtype=np.int64)
    asked = torch.from_numpy(fitted.requests[wanted, random.integers(0, FRAGMENTS, len(cases))])
    queries = F.normalize(fitted.projection(asked), dim=-1)
    users = user_vectors(fitted.user, vectors, short, history, queries).numpy()
    return [
        Cases(plain, cases.histories, cases.targets),
        Cases(users, short, cases.targets, queries.numpy()),
    ]
