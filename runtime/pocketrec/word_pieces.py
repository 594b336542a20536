"""Words put together of the pieces of a vocabulary, the longest first (WordPiece: Wu et al. 2016)."""

from dataclasses import dataclass, field

from tokenizers import Tokenizer
from tokenizers.models import WordPiece

_KEPT_WORDS = 10_000
"""People use the same words again and again."""


@dataclass(frozen=True, slots=True)
class WordPieces:
    """The vocabulary, and words that were put together before. Safe to use from several threads."""

    vocabulary: dict[str, int]
    """Ids of pieces."""
    sign: str
    """Stands before pieces that go on with a word."""
    unknown: int
    """Id of a word that can't be put together."""
    longest: int
    """Characters of a word that isn't unknown for its length alone."""
    words: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "WordPieces | None":
        """Of a tokenizer, if it puts words together like that."""
        model = tokenizer.model
        if not isinstance(model, WordPiece):
            return None
        vocabulary, sign = tokenizer.get_vocab(with_added_tokens=False), model.continuing_subword_prefix
        unknown = vocabulary.get(model.unk_token)
        return cls(vocabulary, sign, unknown, model.max_input_chars_per_word) if unknown is not None else None

    def ids(self, word: str) -> list[int]:
        """Ids of a word's pieces, of which the longest that fits comes first."""
        known = self.words.get(word)
        if known is not None:
            return known
        if len(word) > self.longest:  # not worth the memory
            return [self.unknown]
        ids = self._put_together(word)
        if len(self.words) >= _KEPT_WORDS:
            self.words.clear()
        self.words[word] = ids
        return ids

    def _put_together(self, word: str) -> list[int]:
        ids, rest, least = list[int](), word, 0
        while len(rest) > least:
            for end in range(len(rest), least, -1):
                id = self.vocabulary.get(rest[:end])
                if id is not None:
                    break
            else:
                return [self.unknown]
            ids.append(id)
            rest, least = self.sign + rest[end:], len(self.sign)
        return ids
