"""Texts to token ids as the tokenizers package gives them, with the ids of words that were read before at hand."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from pocketrec.errors import BundleError

_PLAIN = re.compile(r"[ -~]*").fullmatch
"""ASCII that prints: here BERT's tokenizer knows no accents, and no words but letters with digits."""
_WORDS = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9 ]").findall
_KEPT_WORDS = 10_000


@dataclass(frozen=True, slots=True)
class TokenReader:
    """A tokenizer for one short text after the other. Safe to use from several threads.

    BERT's tokenizers read plain text word by word, so a text's tokens are those of its words, which people use again
    and again. Whatever else a tokenizer or a text may be is read by the tokenizers package as a whole.
    """

    tokenizer: Tokenizer
    before: Sequence[int]
    """Ids that stand before each text's own."""
    after: Sequence[int]
    room: int
    """Tokens of a text's own, at most."""
    longest: int
    """Characters of a word that isn't unknown for its length alone."""
    by_words: bool
    lowercase: bool
    added: tuple[str, ...]
    """Tokens that are looked for in the text before it is split, lowercase."""
    _words: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, max_tokens: int) -> "TokenReader":
        """Open a file of the tokenizers package.

        Args:
            path: Its JSON.
            max_tokens: Longer texts are cut here.

        Raises:
            BundleError: It can't be read.
        """
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the tokenizers package raises bare Exception
            raise BundleError(f"{path} can't be read: {error}") from None
        tokenizer.enable_truncation(max_tokens)
        tokenizer.no_padding()
        return cls.of(tokenizer, max_tokens)

    @classmethod
    def of(cls, tokenizer: Tokenizer, max_tokens: int) -> "TokenReader":
        """Over a tokenizer that cuts texts at `max_tokens` and doesn't pad."""
        normalizer, model = tokenizer.normalizer, tokenizer.model
        around, alone = tokenizer.encode("a").ids, tokenizer.encode("a", add_special_tokens=False).ids
        places = [at for at in range(len(around)) if around[at : at + len(alone)] == alone]
        before, after = (around[: places[0]], around[places[0] + len(alone) :]) if places else ([], [])
        room = max_tokens - len(before) - len(after)
        return cls(
            tokenizer=tokenizer,
            before=before,
            after=after,
            room=room,
            longest=model.max_input_chars_per_word if isinstance(model, WordPiece) else 0,
            by_words=isinstance(normalizer, BertNormalizer)
            and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
            and isinstance(model, WordPiece)
            and len(places) == 1
            and room > 0,
            lowercase=isinstance(normalizer, BertNormalizer) and normalizer.lowercase,
            added=_looked_for(tokenizer),
        )

    def ids(self, text: str) -> list[int]:
        """Ids of a text's tokens, cut to the encoder's length.

        A text without any, which decoders allow, reads as token 0: a graph needs one.
        """
        if not self._splits(text):
            return self.tokenizer.encode(text).ids or [0]
        own: list[int] = []
        for word in _WORDS(text.lower() if self.lowercase else text):
            known = self._words.get(word)
            own += self._learn(word) if known is None else known
        return [*self.before, *own[: self.room], *self.after] or [0]

    def _splits(self, text: str) -> bool:
        """Whether its tokens are those of its words."""
        if not (self.by_words and _PLAIN(text)):
            return False
        small = text.lower()
        return not any(token in small for token in self.added)

    def _learn(self, word: str) -> list[int]:
        """Ids of a word's tokens, kept. The longest piece that fits comes first: a word that is a piece is that one."""
        whole = self.tokenizer.token_to_id(word) if len(word) <= self.longest else None
        ids: list[int] = [whole] if whole is not None else self.tokenizer.encode(word, add_special_tokens=False).ids
        if len(word) > self.longest:  # unknown for its length alone, and not worth the memory
            return ids
        if len(self._words) >= _KEPT_WORDS:
            self._words.clear()
        self._words[word] = ids
        return ids


def _looked_for(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Added tokens as they may stand in a text in lower case: as they are, and as the normalizer leaves them."""
    contents = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    if tokenizer.normalizer is not None:
        contents += [tokenizer.normalizer.normalize_str(content) for content in contents]
    return tuple(dict.fromkeys(content.lower() for content in contents))
