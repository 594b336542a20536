"""The last lesson: what was held out for validation is learnt, once every choice is made.

Validation's targets are the newest that is known of people before test. They chose epochs, neighbours and the scorer's
weights; then they would be wasted. Neighbours and followers are fitted anew in the chosen way. Tower and items go on
for a few epochs at a lower rate, near enough to where they were that the scorer still knows them
(docs/decisions/0017).
"""

from pathlib import Path

import msgspec

from pocketrec.neighbours import Neighbours
from pocketrec_export.graphs.factorisation import FactorisationTower
from pocketrec_training.evaluate.splits import Split
from pocketrec_training.item_fitting import Fitted, refit_tower
from pocketrec_training.neighbours.choice import Chosen
from pocketrec_training.tower.context import Contexts
from pocketrec_training.tower.training import TowerTrainingConfig

_RATE = 0.3
"""Of the first learning rate."""


def refit(
    fitted: Fitted,
    chosen: tuple[Chosen, Chosen],
    split: Split,
    contexts: Contexts,
    training: TowerTrainingConfig,
    epochs: int,
    seed: int,
    checkpoint: Path | None,
) -> tuple[Fitted, Neighbours, Neighbours]:
    """Learn from all of a split's `fit`: items and tower, neighbours, followers.

    Args:
        fitted: Items and user side; a tower is changed in place, factors stay as they are.
        chosen: Ways of neighbours and followers.
        split: The final one, whose `fit` is all that may be learnt from.
        contexts: What is known of its events.
        training: Of the tower before.
        epochs: Of the tower now.
        seed: Of everything random.
        checkpoint: File of the tower's training to resume from, and to write to.
    """
    neighbours, followers = (way.fit(split.fit) for way in chosen)
    if isinstance(fitted.user, FactorisationTower):
        return fitted, neighbours, followers
    again = msgspec.structs.replace(training, epochs=epochs, rate=training.rate * _RATE)
    return refit_tower(fitted, split, contexts, again, seed, checkpoint), neighbours, followers
