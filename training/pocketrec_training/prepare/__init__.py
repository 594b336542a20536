"""From raw logs to a clean data set: `prepare(find_source(path), out)`."""

from pocketrec_training.prepare.demo import demo_source
from pocketrec_training.prepare.options import PrepareConfig
from pocketrec_training.prepare.pipeline import prepare
from pocketrec_training.prepare.source import Source
from pocketrec_training.prepare.sources import find_source

__all__ = ["PrepareConfig", "Source", "demo_source", "find_source", "prepare"]
