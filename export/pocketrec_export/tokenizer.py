"""A model's tokenizer: tokenizer.json, which training and runtime both read, or one made of older files."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pocketrec.errors import ModelError

FILE = "tokenizer.json"


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a Hugging Face folder.

    What tokenizer.json adds to a text, such as special tokens, is what every part reads. A folder that has only older
    files (vocab.txt, or vocab.json with merges.txt) gets the tokenizer that transformers makes of them.

    Raises:
        ModelError: The file can't be read, or the older files aren't enough.
    """
    path = folder / FILE
    if path.exists():
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the tokenizers package raises bare Exception
            raise ModelError(f"{path} can't be read: {error}") from None
    return _converted(folder)


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Ids of each text's tokens, cut to so many; a text without any reads as token 0, as the runtime has it."""
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return [encoding.ids or [0] for encoding in tokenizer.encode_batch(list(texts))]


def unknown_share(tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Share of texts' tokens that stand for what the vocabulary has no piece of; 0 where it has a piece of everything.

    Args:
        tokenizer: Any; it is left cutting and padding nothing.
        texts: In the language that matters.
    """
    # SentencePiece's kind doesn't tell its own, which is by custom the second of these.
    names = (getattr(tokenizer.model, "unk_token", None), "<unk>", "[UNK]")
    unknown = {tokenizer.token_to_id(name) for name in names if name}
    tokenizer.no_truncation()
    tokenizer.no_padding()
    read = [token for one in tokenizer.encode_batch(list(texts), add_special_tokens=False) for token in one.ids]
    return sum([token in unknown for token in read]) / max(len(read), 1)


def _converted(folder: Path) -> Tokenizer:
    try:
        made = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each kind of old file fails in its own way, with errors of any class
        raise ModelError(
            f"{folder} has no {FILE}, and none can be made of what is there: {str(error) or type(error).__name__}"
        ) from None
    if not isinstance(made, PreTrainedTokenizerFast):
        raise ModelError(
            f"{folder} has no {FILE}, and none can be made for a {type(made).__name__}: save one with the tokenizers "
            "package"
        )
    return made.backend_tokenizer
