"""The rankers that a model must beat, one a file, and all of them in one call."""

from pocketrec_training.evaluate.baselines.all import fit_baselines, fit_searchers

__all__ = ["fit_baselines", "fit_searchers"]
