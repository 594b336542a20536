"""Search for the settings that rank validation users best: `tune(dataset, SearchSpace.load(path), study, out)`."""

from pocketrec_training.tuning.search import Tuned, TuneOptions, tune
from pocketrec_training.tuning.space import SearchSpace

__all__ = ["SearchSpace", "TuneOptions", "Tuned", "tune"]
