"""The texts that a student learns from, and those that show what it learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pocketrec.items import Item
from pocketrec.text import TextTemplate
from pocketrec_export.title_fragments import title_fragments


@dataclass(frozen=True, slots=True)
class DomainTexts:
    """Distinct texts of a catalogue: items as they are read, pieces of their titles, and their categories."""

    learn: list[str]
    held_out: list[str]
    """Of other items, and none that also stands in `learn`."""

    @classmethod
    def of(cls, items: Sequence[Item], template: TextTemplate, share: float, most: int, seed: int) -> "DomainTexts":
        """Texts of all items.

        Args:
            items: The catalogue.
            template: How an item becomes one text.
            share: Of the items that are held out, at least one.
            most: Texts to learn from, drawn at random where there are more.
            seed: Of what is drawn.
        """
        random = np.random.default_rng(seed)
        order = random.permutation(len(items))
        apart = max(1, round(share * len(items)))
        each = [
            {template.render(item), *pieces, ", ".join(item.categories)} - {""}
            for item, pieces in zip(items, title_fragments(items, seed), strict=True)
        ]
        learn = sorted({text for row in order[apart:] for text in each[row]})
        held_out = sorted({text for row in order[:apart] for text in each[row]} - set(learn))
        if len(learn) > most:
            learn = [learn[i] for i in sorted(random.choice(len(learn), most, replace=False))]
        return cls(learn, held_out)
