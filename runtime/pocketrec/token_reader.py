"""Texts to token ids as the tokenizers package gives them, faster: what is plain is put together here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from pocketrec.errors import BundleError
from pocketrec.word_pieces import WordPieces

_PLAIN = re.compile(r"[ -~]*").fullmatch
"""ASCII that prints: here BERT's tokenizer knows no accents, and no words but letters with digits."""
_WORDS = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9 ]").findall


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
    pieces: WordPieces | None
    """What words are made of; None where texts aren't read by words."""
    lowercase: bool
    added: tuple[str, ...]
    """Tokens that are looked for in the text before it is split, lowercase."""

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
        normalizer = tokenizer.normalizer
        around, alone = tokenizer.encode("a").ids, tokenizer.encode("a", add_special_tokens=False).ids
        places = [at for at in range(len(around)) if around[at : at + len(alone)] == alone]
        before, after = (around[: places[0]], around[places[0] + len(alone) :]) if places else ([], [])
        room = max_tokens - len(before) - len(after)
        by_words = (
            isinstance(normalizer, BertNormalizer)
            and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
            and len(places) == 1
            and room > 0
        )
        return cls(
            tokenizer=tokenizer,
            before=before,
            after=after,
            room=room,
            pieces=WordPieces.of(tokenizer) if by_words else None,
            lowercase=isinstance(normalizer, BertNormalizer) and normalizer.lowercase,
            added=_looked_for(tokenizer),
        )

    def ids(self, text: str) -> list[int]:
        """Ids of a text's tokens, cut to the encoder's length.

        A text without any, which decoders allow, reads as token 0: a graph needs one.
        """
        if self.pieces is None or not self._plain(text):
            return self.tokenizer.encode(text).ids or [0]
        own: list[int] = []
        for word in _WORDS(text.lower() if self.lowercase else text):
            own += self.pieces.ids(word)
        return [*self.before, *own[: self.room], *self.after] or [0]

    def _plain(self, text: str) -> bool:
        """Whether its tokens are those of its words."""
        if not _PLAIN(text):
            return False
        small = text.lower()
        return not any(token in small for token in self.added)


def _looked_for(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Added tokens as they may stand in a text in lower case: as they are, and as the normalizer leaves them."""
    contents = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    if tokenizer.normalizer is not None:
        contents += [tokenizer.normalizer.normalize_str(content) for content in contents]
    return tuple(dict.fromkeys(content.lower() for content in contents))
