"""What a bench asks: full-length histories and texts of a known number of tokens, made from the catalogue itself."""

from dataclasses import dataclass

import numpy as np

from pocketrec.bundle import Bundle

TOKENS = 16
"""Tokens of a bench's text, the encoder's own marks included."""
_TRIES = 1000


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests to time. The same bundle and seed give the same ones."""

    histories: list[list[str]]
    """Ids, each as many as the user tower reads: the longest, so the dearest, histories."""
    texts: list[str]
    """All different, so that the encoder's cache never answers."""

    @classmethod
    def of(cls, bundle: Bundle, histories: int, texts: int, seed: int) -> "Workload":
        """Draw histories from all items alike, and texts from the words of their titles.

        Args:
            bundle: Whose catalogue to draw from.
            histories: How many.
            texts: How many.
            seed: Of both.
        """
        random = np.random.default_rng(seed)
        ids = bundle.catalogue.ids
        length = min(bundle.manifest.history, max(1, len(ids) // 2))
        return cls(
            histories=[[ids[row] for row in random.choice(len(ids), length, replace=False)] for _ in range(histories)],
            texts=_texts(bundle, texts, random),
        )


def text_tokens(bundle: Bundle) -> int:
    """Tokens of a bench's text for this encoder, which may read fewer than `TOKENS`."""
    return min(TOKENS, bundle.manifest.encoder.max_tokens)


def _texts(bundle: Bundle, count: int, random: np.random.Generator) -> list[str]:
    """Distinct texts of exactly `text_tokens` tokens, counted without leaving their words at the encoder's hand.

    Raises:
        ValueError: This tokenizer can't be made to give that many tokens.
    """
    tokens, tokenizer = text_tokens(bundle), bundle.encoder.reader.tokenizer

    def count_of(text: str) -> int:
        return len(tokenizer.encode(text).ids)

    rows = random.choice(len(bundle.catalogue), min(1000, len(bundle.catalogue)), replace=False)
    words = sorted({word for row in rows.tolist() for word in bundle.catalogue.item(row).title.split()})
    marks = count_of("")
    costs = np.array([count_of(word) - marks for word in words])
    found: dict[str, None] = {}
    for _ in range(_TRIES + 2 * count):
        if len(found) == count:
            return list(found)
        chosen, left = [], tokens - marks
        while left > 0 and (fitting := np.flatnonzero((costs > 0) & (costs <= left))).size:
            place = int(random.choice(fitting))
            chosen.append(words[place])
            left -= int(costs[place])
        text = " ".join(chosen)
        if count_of(text) == tokens:
            found[text] = None
    raise ValueError(f"can't make {count} different texts of {tokens} tokens from this catalogue's titles")
