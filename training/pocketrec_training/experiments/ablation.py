"""An ablation: what an experiment gains or loses when one thing at a time is changed.

Base and variants are trained on one data set and measured on the same cases, as PyTorch models. What is there is not
done again, as in an experiment; and variants share what they have in common: a tower where they differ in neighbours or
scorer alone, neighbours where they differ elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from pocketrec.config import Config, load_config
from pocketrec.errors import ConfigError
from pocketrec.progress import progress
from pocketrec_training.evaluate.report import EvaluationOptions
from pocketrec_training.evaluate.seeds import Runs
from pocketrec_training.experiments.claim import claim
from pocketrec_training.experiments.experiment import ExperimentConfig, raw_source
from pocketrec_training.experiments.seed_runs import run_seeds
from pocketrec_training.prepare import prepare
from pocketrec_training.train import TrainConfig

BASE = "base"
Name = Annotated[str, Meta(pattern=r"^\w[\w ,+-]*$")]
"""Letters, digits, and what every file system takes beside them."""


class AblationConfig(Config, frozen=True, kw_only=True):
    """A file in training/configs/ablations."""

    experiment: str
    """What the base is: name of a file in training/configs, or a TOML file."""
    users_share: Annotated[float, Meta(gt=0, le=1)] | None = None
    """Share of the users that is learnt from and measured on; by default the experiment's."""
    seeds: Annotated[tuple[int, ...], Meta(min_length=1)] = (0,)
    """Each trains a model of every variant."""
    base: tuple[str, ...] = ()
    """What all share beside the experiment's settings, as lines `train.KEY=VALUE`: fewer epochs, so that many fit; or
    another split. With `cold-items`, figures on cold items are of the same models."""
    cold: tuple[Name, ...] | None = None
    """Variants that are trained with the split `cold-items` too, beside the base: all of them by default; for none,
    empty. Seeds are the experiment's `cold_seeds`, or the first one."""
    variants: Annotated[dict[Name, tuple[str, ...]], Meta(min_length=1)]
    """What each changes, as lines `train.KEY=VALUE`."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """What will be trained, every setting of it checked."""

    name: str
    experiment: str
    base: ExperimentConfig
    variants: dict[str, TrainConfig]
    """By name, the base first."""
    cold: frozenset[str]
    """Variants that are trained with the split `cold-items` too."""
    changes: dict[str, tuple[str, ...]]
    """What each variant changes, in the words of the file."""

    @classmethod
    def of(cls, name: str, config: AblationConfig, experiment: Path) -> "Ablation":
        """Build the settings of base and variants.

        Args:
            name: Of the ablation.
            config: What to change.
            experiment: File of the base.

        Raises:
            ConfigError: A setting is unknown or wrong, or a variant changes what all must share.
        """
        usual, base = load_config(ExperimentConfig, experiment), load_config(ExperimentConfig, experiment, config.base)
        if replace(base, train=usual.train) != usual:
            raise ConfigError("base changes what isn't a model's to change: name train.* alone")
        variants = {BASE: base.train}
        for variant, changes in config.variants.items():
            if variant in (BASE, "dataset", "shared"):
                raise ConfigError(f"variant {variant!r}: choose another name, as the folder {variant} is taken")
            try:
                changed = load_config(ExperimentConfig, experiment, (*config.base, *changes))
            except ConfigError as error:
                raise ConfigError(f"variant {variant!r}: {error}") from None
            if replace(changed, train=base.train) != base or changed.train.split != base.train.split:
                raise ConfigError(
                    f"variant {variant!r} changes what all variants share: name train.* alone, but not train.split"
                )
            variants[variant] = changed.train
        held_out = base.train.split == "cold-items"
        if held_out and config.cold:
            raise ConfigError("cold names variants, but base gives all models the split cold-items: leave cold out")
        cold = () if held_out else tuple(config.variants) if config.cold is None else config.cold
        if unknown := set(cold) - set(config.variants):
            raise ConfigError(f"cold names {', '.join(sorted(unknown))}: not among the variants")
        shared = replace(
            base,
            prepare=replace(base.prepare, users_share=config.users_share or base.prepare.users_share),
            seeds=config.seeds,
            cold_seeds=(base.cold_seeds or config.seeds[:1]) if cold else (),
        )
        return cls(name, experiment.stem, shared, variants, frozenset((BASE, *cold)), config.variants)

    def twin(self, variant: str) -> str:
        """The first variant of the very settings of this one: usually itself."""
        return next(name for name, config in self.variants.items() if config == self.variants[variant])


@dataclass(frozen=True, slots=True)
class Reached:
    """How good a variant is."""

    main: Runs
    cold: Runs | None
    """Of models that never met the cold items, if that was asked for: others, or the very same."""

    @property
    def duration_s(self) -> float:
        """Seconds of all trainings and evaluations."""
        if self.cold is None or self.cold is self.main:
            return self.main.duration_s
        return self.main.duration_s + self.cold.duration_s

    def by_slice(self) -> dict[str, Runs]:
        """By the slice of cases that each is asked for; the empty name means all cases."""
        return {"": self.main} if self.cold is None else {"": self.main, "cold": self.cold}


def run_ablation(source: Path | None, work: Path, ablation: Ablation) -> dict[str, Reached]:
    """Prepare once, then train and measure base and variants.

    Args:
        source: Raw files, as for `prepare`; None fetches the demo of the experiment's name.
        work: Folder for all that comes out: dataset/, and in VARIANT/ seed-N/ and cold-N/, each with model/.
        ablation: What to train.

    Returns:
        What each variant reached, by name; those of equal settings share one training.

    Raises:
        DataError: A folder was begun with other settings, or a step fails.
    """
    dataset, shared, base = work / "dataset", work / "shared", ablation.base
    raw = None if (dataset / "dataset.json").exists() else raw_source(ablation.experiment, source)
    claim(work, "ablation.json", "an ablation", {"prepare": msgspec.to_builtins(base.prepare)})
    own = [variant for variant in ablation.variants if ablation.twin(variant) == variant]
    for variant in own:
        settings = {"train": msgspec.to_builtins(ablation.variants[variant])}
        claim(work / variant, "variant.json", "a variant", settings)
    if raw is not None:
        prepare(raw, dataset, base.prepare)
    reached = dict[str, Reached]()
    with progress("Training variants", total=len(own)) as shown:
        for variant in own:
            shown.note(variant)
            config, options = ablation.variants[variant], EvaluationOptions(baselines=variant == BASE)
            main = run_seeds(dataset, work / variant / "seed", base.seeds, config, None, options, shared)
            cold = main if config.split == "cold-items" else None
            if base.cold_seeds and any(ablation.twin(other) == variant for other in ablation.cold):
                new = replace(config, split="cold-items")
                cold = run_seeds(dataset, work / variant / "cold", base.cold_seeds, new, None, options, shared)
            reached[variant] = Reached(main, cold)
            shown.advance()
    return {variant: reached[ablation.twin(variant)] for variant in ablation.variants}
