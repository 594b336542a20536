"""Vectors of texts from the frozen language model, cached on disk by content."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pocketrec.cpu import cpu_flags, cpu_name
from pocketrec.digest import file_digest, text_digest
from pocketrec.errors import ModelError
from pocketrec.progress import progress
from pocketrec.staging import write_whole
from pocketrec_export.cache import cache_folder
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.pretrained import Pooling
from pocketrec_export.tokenizer import read_tokenizer

BATCH = 32


def text_vectors(
    texts: Sequence[str], encoder: Path, pooling: Pooling, max_tokens: int, what: str
) -> NDArray[np.float32]:
    """Unit vectors of texts, float32 [texts, width].

    The same texts with the same model come from the cache, if this PyTorch on this kind of CPU put them there; each
    distinct text is encoded once.

    Args:
        texts: Any texts, repeated or not.
        encoder: Hugging Face folder.
        pooling: How token states become one vector.
        max_tokens: Longer texts are cut.
        what: What is encoded, for the progress bar.
    """
    distinct = sorted(set(texts))
    name = text_digest(_arithmetic(), encoder_digest(encoder), pooling, str(max_tokens), *distinct)
    path = cache_folder() / "vectors" / f"{name}.npy"
    vectors = _cached(path, len(distinct))
    if vectors is None:
        vectors = encode_texts(distinct, TextModel.open(encoder, pooling, max_tokens), encoder, max_tokens, what)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _npy(vectors))
    place = {text: i for i, text in enumerate(distinct)}
    return vectors[[place[text] for text in texts]]


def open_tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    """The folder's tokenizer, cutting at `max_tokens`, padding a batch to its longest text.

    Raises:
        ModelError: The folder has no tokenizer that can be read.
    """
    tokenizer = read_tokenizer(folder)
    tokenizer.enable_truncation(max_tokens)
    tokenizer.enable_padding()  # with token 0, at the right; the mask hides it, whatever it is
    return tokenizer


def encode_texts(
    texts: Sequence[str], model: TextModel, folder: Path, max_tokens: int, what: str
) -> NDArray[np.float32]:
    """Unit vectors of texts by a language model in memory, float32 [texts, width], not cached.

    Args:
        texts: Any texts.
        model: The language model.
        folder: With its tokenizer.
        max_tokens: Longer texts are cut.
        what: What is encoded, for the progress bar.
    """
    tokenizer = open_tokenizer(folder, max_tokens)
    vocabulary = int(model.config.vocab_size)
    vectors = np.zeros((len(texts), model.width), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # batches of like length waste no padding
    with torch.inference_mode(), progress(what, total=len(texts)) as shown:
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            tokens = tokenizer.encode_batch([texts[i] for i in batch])
            ids = torch.tensor([token.ids or [0] for token in tokens])
            mask = torch.tensor([token.attention_mask or [1] for token in tokens])
            if int(ids.max()) >= vocabulary:
                raise ModelError(f"{folder}: tokenizer.json gives token {int(ids.max())}, the model has {vocabulary}")
            mask[:, 0] = 1  # a text without tokens reads as token 0, as the runtime has it
            vectors[batch] = model(ids, mask).numpy()
            shown.advance(len(batch))
    return vectors


def _cached(path: Path, count: int) -> NDArray[np.float32] | None:
    """The cached array, unless it is absent or damaged; a damaged one is simply made again."""
    try:
        vectors = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return vectors if vectors.ndim == 2 and len(vectors) == count else None


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _arithmetic() -> str:
    """What the last bits of a vector hang on beside model and text, so that the same seed gives the same model."""
    return " ".join([torch.__version__, cpu_name(), *sorted(cpu_flags())])


def encoder_digest(encoder: Path) -> str:
    """Of all that a text's vector depends on: weights, shape and tokenizer of a Hugging Face folder.

    Raises:
        ModelError: The folder holds no weights.
    """
    weights = sorted(encoder.glob("*.safetensors")) or sorted(encoder.glob("*.bin"))
    if not weights:
        raise ModelError(f"{encoder} holds no model.safetensors: give the folder of a Hugging Face model")
    others = sorted(path for path in encoder.iterdir() if path.suffix in (".json", ".txt", ".model"))
    return text_digest(*(file_digest(path) for path in [*weights, *others]))
