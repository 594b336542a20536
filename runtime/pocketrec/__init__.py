"""Recommendation that reads, on the edge: load a bundle, get recommendations, no PyTorch."""

from pocketrec.errors import (
    BundleError,
    ConfigError,
    DataError,
    MissingExtraError,
    ModelError,
    OverlayError,
    PocketrecError,
)
from pocketrec.items import Item, Reason, Recommendation
from pocketrec.recommender import Recommender

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "Item",
    "MissingExtraError",
    "ModelError",
    "OverlayError",
    "PocketrecError",
    "Reason",
    "Recommendation",
    "Recommender",
]
