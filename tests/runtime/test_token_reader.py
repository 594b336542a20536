"""Reading word by word gives what the tokenizers package gives for the text as a whole."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from text_models import byte_pairs, mpnet_pieces, unigrams, word_pieces
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from toys import WORDS

from pocketrec import word_pieces as pieces_of_words
from pocketrec.token_reader import TokenReader
from pocketrec_training.encoder.default import default_encoder


def minilm():
    return Tokenizer.from_file(str(default_encoder() / "tokenizer.json"))


def cased():
    tokenizer = word_pieces()
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    return tokenizer


def with_a_token_of_its_own():
    tokenizer = word_pieces()
    tokenizer.add_tokens([AddedToken("Blue teapot", normalized=True)])
    return tokenizer


def with_a_token_that_is_normalised():
    """Looked for after accents are gone: `Café` stands where a text says `cafe`."""
    tokenizer = word_pieces()
    tokenizer.add_tokens([AddedToken("Café", normalized=True), AddedToken("\tq", normalized=True)])
    return tokenizer


def of_pieces(sign, unknown="[UNK]"):
    tokenizer = word_pieces()
    specials = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    inner = (sign + piece for piece in ("d", "am", "a", "p", "[", "##a"))
    pieces = dict.fromkeys((*specials, "re", "red", *"abcdelmp", *inner))
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer.model = models.WordPiece(vocabulary, unk_token=unknown, continuing_subword_prefix=sign)
    return tokenizer


def with_a_sign_of_its_own():
    return of_pieces("@@")


def without_a_sign():
    return of_pieces("")


def without_ends():
    return word_pieces(ends=("", ""))


def split_by_spaces():
    tokenizer = word_pieces()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


BY_WORDS = (
    minilm,
    word_pieces,
    cased,
    with_a_token_of_its_own,
    with_a_token_that_is_normalised,
    without_ends,
    mpnet_pieces,
    with_a_sign_of_its_own,
    without_a_sign,
)
AS_A_WHOLE = (lambda: byte_pairs(["<|endoftext|>"]), unigrams, split_by_spaces)
_words = st.sampled_from(
    [*WORDS, "Blue teapot", "unbelievable", "4k", "[MASK]", "<mask>", "[mask]", "café", "cafe", "q", "x" * 120]
)
_texts = st.lists(_words | st.text(max_size=6) | st.text(" -~Az09", max_size=6), max_size=12).flatmap(
    lambda words: st.sampled_from([" ", "", "-", "\n"]).map(lambda between: between.join(words))
)


def pair(made, length):
    """A reader, and the package's own tokenizer cut as it is."""
    tokenizer = made()
    same = Tokenizer.from_str(tokenizer.to_str())
    for one in (tokenizer, same):
        one.enable_truncation(length)
        one.no_padding()
    return TokenReader.of(tokenizer, length), same


PAIRS = [pair(made, length) for made in (*BY_WORDS, *AS_A_WHOLE) for length in (3, 8, 64)]


@given(text=_texts)
@example(text="")
@example(text="a" * 5000)
@example(text="cafe latte")
@example(text="Blue Teapot [SEP] blue teapot")
def test_ids_are_those_of_the_tokenizers_package(text):
    for reader, same in PAIRS:
        for _ in range(2):  # the second time its words are at hand
            assert reader.ids(text) == (same.encode(text).ids or [0])


@pytest.mark.parametrize("made", BY_WORDS)
def test_a_bert_like_tokenizers_plain_words_are_put_together_once(made):
    reader, _ = pair(made, 64)
    first = reader.ids("red lamp, red chair; red!")
    assert set(reader.pieces.words) == {"red", "lamp", ",", "chair", ";", "!"}
    reader.pieces.words["red"] = [-1]  # what is at hand is what a second text is made of
    assert [one for one in reader.ids("red lamp, red chair; red!") if one != -1] == [
        one for one in first if one != reader.tokenizer.token_to_id("red")
    ]


@pytest.mark.parametrize("made", AS_A_WHOLE)
def test_any_other_tokenizer_reads_a_text_as_a_whole(made):
    reader, _ = pair(made, 64)
    reader.ids("red lamp")
    assert reader.pieces is None


def test_a_word_that_is_cut_at_the_end_of_a_text_is_kept_whole():
    reader, same = pair(word_pieces, 5)
    for text in ("red xyz", "xyz", "red lamp xyz"):
        assert reader.ids(text) == same.encode(text).ids
    assert reader.pieces.words["xyz"] == same.encode("xyz", add_special_tokens=False).ids


def test_without_a_token_for_unknown_words_texts_are_read_as_a_whole():
    reader, same = pair(lambda: of_pieces("##", unknown="[NONE]"), 64)
    assert reader.pieces is None
    assert reader.ids("red") == same.encode("red").ids


def test_a_word_too_long_for_the_vocabulary_is_not_kept():
    reader, same = pair(word_pieces, 64)
    assert reader.ids("red " + "x" * 101) == same.encode("red " + "x" * 101).ids
    assert set(reader.pieces.words) == {"red"}


def test_words_at_hand_are_never_more_than_their_bound(monkeypatch):
    monkeypatch.setattr(pieces_of_words, "_KEPT_WORDS", 5)
    reader, same = pair(word_pieces, 64)
    for text in ("red lamp chair", "blue teapot", "red lamp chair table door"):
        assert reader.ids(text) == same.encode(text).ids
        assert len(reader.pieces.words) <= 5
