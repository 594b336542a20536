"""How much of a text a vocabulary has no piece of."""

import pytest
from text_models import byte_pairs, unigrams, word_pieces

from pocketrec_export.tokenizer import unknown_share


@pytest.mark.parametrize("made", [word_pieces, unigrams])
def test_tokens_that_stand_for_nothing_known_are_counted(made):
    assert unknown_share(made(), ["red lamp"]) == 0
    assert unknown_share(made(), ["足球"]) > 0.4
    assert 0 < unknown_share(made(), ["red lamp", "red 足球"]) < 0.7
    assert unknown_share(made(), []) == 0


def test_bytes_know_every_text():
    assert unknown_share(byte_pairs(["<|endoftext|>"]), ["足球"]) == 0
