"""Train a model: text vectors, then tower or factorisation, then neighbours, then the scorer that weighs them."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.errors import ConfigError, DataError
from pocketrec.index import VectorIndex
from pocketrec.neighbours import Neighbours
from pocketrec.rankings import ndcg
from pocketrec.results import installed_versions
from pocketrec.staging import check_replaceable
from pocketrec.text import TextTemplate
from pocketrec_export.graphs.encoder import Encoder
from pocketrec_export.graphs.pretrained import stated_pooling
from pocketrec_export.graphs.scorer import DotScorer, ScorerConfig
from pocketrec_export.graphs.user import TowerConfig
from pocketrec_export.held_out import HeldOut
from pocketrec_export.model import CONTENTS, FORMAT, Model, ModelCard
from pocketrec_export.text_vectors import encoder_digest
from pocketrec_export.title_fragments import title_fragments
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.encoder.default import default_encoder
from pocketrec_training.encoder.reading import EncoderConfig
from pocketrec_training.evaluate.splits import Split, make_split
from pocketrec_training.factorisation import FactorisationConfig
from pocketrec_training.item_fitting import Fitted, Source, fit_factorisation, fit_tower
from pocketrec_training.memory import keep_freed_memory
from pocketrec_training.neighbours.choice import NeighbourChoiceConfig, choose_neighbours
from pocketrec_training.neighbours.fits import Fits
from pocketrec_training.newcomers.exposure import set_exposure
from pocketrec_training.processes import Processes
from pocketrec_training.refit import refit
from pocketrec_training.scorer.candidate_lists import Retriever
from pocketrec_training.scorer.cases import scorer_cases
from pocketrec_training.scorer.training import ScorerTrainingConfig, train_scorer
from pocketrec_training.tower.context import ContextConfig, Contexts
from pocketrec_training.tower.ranking import rank_by_tower
from pocketrec_training.tower.request_texts import RequestTexts
from pocketrec_training.tower.training import AfterEpoch, TowerTrainingConfig, go_on
from pocketrec_training.trends import choose_share, trend_of

Rows = NDArray[np.int32]


class TrainConfig(Config, frozen=True, kw_only=True):
    """Everything that training can be told; a file in training/configs, or `--set KEY=VALUE`."""

    kind: Literal["tower", "factorisation"] = "tower"
    """User tower over text and behaviour, or plain matrix factorisation."""
    dim: Annotated[int, Meta(ge=2)] = 128
    """Length of item and user vectors."""
    encoder: EncoderConfig = EncoderConfig()
    template: TextTemplate = TextTemplate()
    split: Literal["leave-last-out", "global-time", "last-basket", "cold-items", "queries"] = "leave-last-out"
    """What is held out for validation and test; where there are queries alone, a part of them."""
    order: Literal["known", "unknown"] | None = None
    """Whether the order of a history says something; by default it does unless most users' last two events tie."""
    tower: TowerConfig = TowerConfig()
    training: TowerTrainingConfig = TowerTrainingConfig()
    context: ContextConfig = ContextConfig()
    factorisation: FactorisationConfig = FactorisationConfig()
    neighbours: NeighbourChoiceConfig = NeighbourChoiceConfig()
    scorer: ScorerConfig = ScorerConfig()
    scorer_training: ScorerTrainingConfig = ScorerTrainingConfig()
    candidates: Annotated[int, Meta(ge=1)] = 50
    """Items from the index, and as many each from neighbours, followers and trends, that the scorer ranks."""
    trend_share: Annotated[float, Meta(ge=0, le=1)] | None = None
    """How fast trends pass: an interaction counts for a third as much when this share of all has come after it. By
    default what ranks validation users certainly better than popularity does, if anything does; 0 for no trend."""
    refit: Annotated[int, Meta(ge=0)] = 3
    """Epochs on all that may be learnt from, validation's targets with it, once every choice is made; neighbours are
    fitted anew on it too. With 0 validation is never learnt from."""

    def tower_for(self, dataset: Dataset) -> TowerConfig:
        """The tower's shape, with positions where the order of a history says something."""
        known = not dataset.card.ties.unordered if self.order is None else self.order == "known"
        return msgspec.structs.replace(self.tower, positions=self.tower.positions and known)

    def sides(self) -> "TrainConfig":
        """What of it shapes items, tower and encoder; all else at its default."""
        usual = TrainConfig()
        return msgspec.structs.replace(
            self,
            neighbours=usual.neighbours,
            scorer=usual.scorer,
            scorer_training=usual.scorer_training,
            candidates=usual.candidates,
            trend_share=usual.trend_share,
            refit=usual.refit,
        )


def train(
    dataset: Dataset,
    out: Path,
    config: TrainConfig,
    seed: int = 0,
    resume: bool = False,
    shared: Path | None = None,
) -> Model:
    """Train a model and write its folder; what is unfinished lies in a checkpoint beside it.

    Args:
        dataset: Prepared data.
        out: Folder of the model; written whole at the end.
        config: What to train and how.
        seed: Of everything random: the same seed, data, config and machine give the same model.
        resume: Take up an earlier run that was killed, instead of starting anew.
        shared: Folder that keeps what trainings have in common: what items, tower and encoder came to, for those that
            differ in neighbours or scorer alone; and each way of neighbours and followers, for those that differ
            elsewhere. The first does it, the others take it.

    Raises:
        DataError: The data set has too little to learn from, or something else lies at `out`.
    """
    check_replaceable(out, "a model", CONTENTS)
    split = make_split(dataset, config.split)
    checkpoint = out.absolute().parent / f".{out.name}-checkpoint"
    keep_freed_memory()
    processes = Processes.here()
    if not resume and processes.rank == 0:
        shutil.rmtree(checkpoint, ignore_errors=True)
    processes.wait()
    whole = checkpoint / _name(config, dataset, seed)
    model = fit_model(dataset, split, config, seed, whole, shared=shared)
    if processes.rank == 0:
        model.save(out)
        shutil.rmtree(checkpoint, ignore_errors=True)
    processes.wait()
    return model


def _name(config: TrainConfig, dataset: Dataset, seed: int) -> str:
    """Of a folder for what comes of a config, the encoder that it names, a data set and a seed."""
    encoder = encoder_digest(Path(config.encoder.folder)) if config.encoder.folder else ""
    return text_digest(msgspec.json.encode(config).decode(), encoder, dataset_digest(dataset.card), str(seed))[:16]


def fit_model(
    dataset: Dataset,
    split: Split,
    config: TrainConfig,
    seed: int,
    checkpoint: Path | None = None,
    after_epoch: AfterEpoch = go_on,
    shared: Path | None = None,
) -> Model:
    """Train on a split of a data set, in memory.

    Args:
        dataset: Prepared data.
        split: What to learn from, and the validation cases for every choice.
        config: What to train and how.
        seed: Of everything random.
        checkpoint: Folder to resume from, and to write to after each epoch.
        after_epoch: Told how the tower's training goes; may raise to end it.
        shared: As in `train`.

    Raises:
        DataError: Fewer than two items, or than two users or queries to learn from.
        ConfigError: There are queries alone, and the config has no use for them, or trends are asked for without times.
    """
    if config.trend_share and not dataset.card.ties.timestamps:
        raise ConfigError(
            f"trend_share={config.trend_share}: data set {dataset.card.name} has no times to tell trends by"
        )
    contexts = Contexts.of(dataset, split, config.context)
    kept = checkpoint if shared is None else shared / "towers" / _name(config.sides(), dataset, seed)
    source, fitted = _fit_sides(dataset, split, contexts, config, seed, kept, after_epoch)
    shape, reading = config.tower_for(dataset), config.encoder
    popularity = split.popularity(len(dataset.items)).astype(np.int32)
    share = choose_share(dataset, split) if config.trend_share is None else config.trend_share
    trend = trend_of(dataset, split, share)
    fits = Fits(fitted.texts, fitted.read, shape.history, None if shared is None else shared / "fits")
    chosen = choose_neighbours(split.fit, fits, split.validation, config.neighbours)
    neighbours, followers = (choice.weights for choice in chosen)
    retriever = _retriever(config, fitted, popularity, trend, neighbours, followers)
    mixed = np.random.default_rng(seed).permutation(len(split.validation))
    cases = split.validation.chosen(mixed[: config.scorer_training.cases])
    levels, asked = (chosen[0].newcomer_level, chosen[1].newcomer_level), split.queries.validation
    groups = scorer_cases(fitted, retriever, levels, cases, asked, config.scorer_training.again, seed)
    trained = train_scorer(groups, config.scorer, config.scorer_training, seed)
    validation = {
        **_tower_quality(fitted, split.validation, contexts, shape.history),
        **{f"{name}/ndcg@10": choice.ndcg for name, choice in zip(("neighbours", "followers"), chosen, strict=True)},
        **({} if trained.ndcg is None else {"ndcg@10": trained.ndcg}),
    }
    if config.refit:
        last, path = split.final(), None if checkpoint is None else checkpoint / "refit.pt"
        said = Contexts.of(dataset, last, config.context)
        fitted, neighbours, followers = refit(fitted, chosen, last, said, config.training, config.refit, seed, path)
        popularity = last.popularity(len(dataset.items)).astype(np.int32)
        trend = trend_of(dataset, last, share)
    if not isinstance(trained.scorer, DotScorer) and _learners(split) >= 2:
        exposure = config.scorer_training.newcomer_exposure
        retriever = _retriever(config, fitted, popularity, trend, neighbours, followers)
        set_exposure(trained.scorer, fitted, retriever, levels, split.validation, exposure, seed)
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
        newcomer_length=fitted.newcomer_length,
        neighbour_decay=neighbours.decay,
        neighbour_level=levels[0],
        follower_decay=followers.decay,
        follower_level=levels[1],
        split=split.name,
        dataset=dataset.card.name,
        dataset_digest=dataset_digest(dataset.card),
        seed=seed,
        validation=validation,
        versions=installed_versions(),
        trend_share=share,
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
        trend=trend,
        neighbours=neighbours,
        followers=followers,
        held_out=split.validation,
    )


def _retriever(
    config: TrainConfig,
    fitted: Fitted,
    popularity: Rows,
    trend: NDArray[np.float32],
    neighbours: Neighbours,
    followers: Neighbours,
) -> Retriever:
    """What gives the scorer its candidates: exactly searched, as the index is export's affair."""
    return Retriever(
        vectors=fitted.vectors,
        popularity=popularity,
        trend=trend,
        neighbours=neighbours,
        followers=followers,
        index=VectorIndex.exact_only(fitted.vectors),
        history=config.tower.history,
        count=config.candidates,
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
        DataError: Fewer than two items, or than two users or queries to learn from.
        ConfigError: There are queries alone, and the config has no use for them.
    """
    contexts = Contexts.of(dataset, split, config.context)
    _, fitted = _fit_sides(dataset, split, contexts, config, seed, None, after_epoch)
    return _tower_quality(fitted, split.validation, contexts, config.tower.history)["tower/ndcg@10"]


def _learners(split: Split) -> int:
    """Users of whom something can be learnt."""
    return sum(len(rows) >= 2 for rows in split.fit)


def _fit_sides(
    dataset: Dataset,
    split: Split,
    contexts: Contexts,
    config: TrainConfig,
    seed: int,
    checkpoint: Path | None,
    after_epoch: AfterEpoch,
) -> tuple[Source, Fitted]:
    learners, typed = _learners(split), split.queries
    if max(learners, len(typed.fit)) < 2 or len(dataset.items) < 2:
        raise DataError(
            f"{dataset.card.name} has {learners} users with two interactions or more outside validation and test, "
            f"{len(typed.fit)} queries to learn from and {len(dataset.items)} items: too few to learn from"
        )
    if learners < 2:
        _check_queries_teach(config)
    if config.kind == "factorisation" and config.encoder.tune != "none":
        raise ConfigError(
            f"encoder.tune={config.encoder.tune} has nothing to learn by with kind=factorisation, which reads no text "
            "while it learns: set kind=tower"
        )
    folder = Path(config.encoder.folder) if config.encoder.folder else default_encoder()
    pooling = config.encoder.pooling or stated_pooling(folder)
    fragments = title_fragments(dataset.items, seed)
    requests = RequestTexts(fragments, contexts.texts, typed.fit.texts, typed.validation.texts)
    source = Source(folder, pooling, dataset.items, config.template, requests)
    if config.kind == "tower":
        shape = config.tower_for(dataset)
        return source, fit_tower(source, split, contexts, config, shape, seed, checkpoint, after_epoch)
    return source, fit_factorisation(source, split, config, seed)


def _check_queries_teach(config: TrainConfig) -> None:
    """Queries alone teach the tower, and nothing else."""
    for key, value, wanted in (("kind", config.kind, "tower"), ("encoder.tune", config.encoder.tune, "none")):
        if value != wanted:
            raise ConfigError(f"{key}={value} learns from interactions, of which there are none: set {key}={wanted}")
    if config.training.request_weight == 0:
        raise ConfigError("training.request_weight=0 leaves nothing to learn from queries: set it above 0")


@torch.inference_mode()
def _tower_quality(fitted: Fitted, cases: HeldOut, contexts: Contexts, history: int) -> dict[str, float]:
    """NDCG@10 of the tower alone on validation cases, and where contexts are known also with them."""
    if not len(cases):
        return {"tower/ndcg@10": 0.0}
    vectors = torch.from_numpy(fitted.vectors)
    typed = None if cases.queries is None else fitted.projected(fitted.requests.held_out)

    def quality(said: Tensor | None) -> float:
        ranked = rank_by_tower(fitted.user, vectors, cases.histories, history, 10, queries=typed, contexts=said)
        return float(np.mean(ndcg(ranked, cases.targets)))

    figures = {"tower/ndcg@10": quality(None)}
    said = fitted.requests.contexts_at(contexts.validation, fitted.projected)
    return figures if said is None else figures | {"tower/context/ndcg@10": quality(said)}
