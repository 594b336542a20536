"""The manifest: what a bundle holds, with a hash of every file and one of itself.

To change the format: raise `FORMAT`, teach `Bundle.open` to read the older form too and `pocketrec.upgrade` to turn it
into the new one, add a golden bundle of the new form under tests/golden, and note it in CHANGELOG.md.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec

from pocketrec.config import Config
from pocketrec.digest import file_digest
from pocketrec.errors import BundleError
from pocketrec.neighbours import Precision
from pocketrec.staging import write_whole
from pocketrec.text import TextTemplate

FORMAT = 3
"""3: what the encoder makes of each item's text, to compare new texts with; what is taken of late.
2: item-item weights in int8 too, rows of up to 65,536 items in 16 bits. 1: both as they were fitted."""
NAME = "manifest.json"
_NO_DIGEST = "0" * 64


class FileFacts(Config, frozen=True, kw_only=True):
    """One file of the bundle."""

    sha256: str
    bytes: int


class GraphFacts(Config, frozen=True, kw_only=True):
    """One ONNX graph: how it was made and why in this precision."""

    file: str
    precision: Precision
    route: str
    """Exporter and versions that made it."""
    opset: int
    reason: str
    """What the gate found: why int8 ships, or why it doesn't."""
    ir: int = 0
    """Version of the file's form; 0 where it isn't said, as in bundles made in format 1."""
    producer: str = ""
    """What wrote the file last, by its own words."""
    spared: tuple[str, ...] = ()
    """Operators of an int8 graph whose arithmetic is float32, because the gate refused it otherwise."""


class EncoderFacts(Config, frozen=True, kw_only=True):
    """How texts enter the encoder."""

    name: str
    max_tokens: Annotated[int, msgspec.Meta(ge=4)]
    template: TextTemplate
    template_digest: str


class IndexFacts(Config, frozen=True, kw_only=True):
    """The HNSW index, as tuned at export."""

    m: int
    ef_construction: int
    ef: int
    """Search breadth that reaches `recall`; hnswlib forgets it on load."""
    recall: float
    """Measured share of the exact top `candidates` that a search returns."""
    step_rows: Annotated[float, msgspec.Meta(ge=0)]
    """Rows of an exact scan in the time that one step of breadth takes: which of the two costs less."""


class NeighbourFacts(Config, frozen=True, kw_only=True):
    """A table of sparse item-item weights."""

    per_item: int
    """Weights kept for each item."""
    decay: Annotated[float, msgspec.Meta(gt=0, le=1)]
    """Weight of a history's item falls by this factor with each newer item."""
    newcomer_scale: Annotated[float, msgspec.Meta(ge=0)]
    """What a vote of 1 for an item added at run time is worth (`pocketrec.newcomer_votes`)."""
    precision: Precision = "fp32"
    reason: str = ""
    """What the gate found: why int8 ships, or why it doesn't; nothing in a bundle of format 1."""


class Manifest(Config, frozen=True, kw_only=True):
    """Everything the runtime must know before it opens a file of the bundle."""

    format: int
    name: str
    items: int
    dim: int
    history: Annotated[int, msgspec.Meta(ge=1)]
    """Newest items of a history that the user tower reads."""
    candidates: Annotated[int, msgspec.Meta(ge=1)]
    """Items from the index, and as many each from neighbours, followers and trends, that the scorer ranks."""
    newcomer_length: Annotated[float, msgspec.Meta(gt=0, le=1)]
    """Length of the vectors of items that nobody has taken yet; all others have length 1."""
    encoder: EncoderFacts
    graphs: dict[str, GraphFacts]
    """By role: `encoder`, `user`, `scorer`."""
    scorer: str
    """Kind of scorer: `dot`, `bilinear` or `mlp`."""
    features: tuple[str, ...]
    """Names of the scorer's features, in the order of its input."""
    index: IndexFacts
    neighbours: NeighbourFacts
    """Weights between items that are taken together."""
    followers: NeighbourFacts
    """Weights from items to those that are taken next."""
    quality: dict[str, float]
    """Figures of the gate on held-out users, before and after quantisation."""
    provenance: dict[str, str]
    """Where the bundle comes from: data set, model, seeds, versions, CPU."""
    files: dict[str, FileFacts]
    """Every other file of the folder, by its path inside the bundle."""
    digest: str = _NO_DIGEST
    """SHA-256 of this file with the digest itself written as zeros."""

    def write(self, folder: Path) -> None:
        """Write into a bundle's folder, sealed by its own digest."""
        blank = msgspec.structs.replace(self, digest=_NO_DIGEST)
        content = msgspec.json.format(msgspec.json.encode(blank), indent=2) + b"\n"
        seal = hashlib.sha256(content).hexdigest()
        write_whole(folder / NAME, content.replace(_NO_DIGEST.encode(), seal.encode()))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read and check the seal and the format, nothing else.

        Raises:
            BundleError: No manifest, an altered one, or one of a newer format.
        """
        path = folder / NAME
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{folder} is not a bundle: can't read {NAME} ({error.strerror})") from None
        try:
            head = msgspec.json.decode(content, type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleError(f"{path} is altered or not a manifest: {error}") from None
        if head.format > FORMAT:
            raise BundleError(
                f"{path} has format {head.format}; this version of pocketrec reads up to {FORMAT}: "
                "pip install --upgrade pocketrec"
            )
        blank = content.replace(head.digest.encode(), _NO_DIGEST.encode())
        if hashlib.sha256(blank).hexdigest() != head.digest:
            raise BundleError(f"{path} is altered: its content doesn't match its digest; export the bundle again")
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.DecodeError as error:
            raise BundleError(f"{path}: {error}; export the bundle again with this version of pocketrec") from None

    def bytes_below(self, part: str = "") -> int:
        """Size of all files whose path begins so: by default of all but the manifest itself."""
        return sum(facts.bytes for name, facts in self.files.items() if name.startswith(part))

    def check_files(self, folder: Path) -> None:
        """Check size and hash of every file, before native code reads any of them.

        Raises:
            BundleError: A file is missing or altered; the message names it.
        """
        for name, facts in self.files.items():
            path = folder / name
            if not path.is_file():
                raise BundleError(f"{folder} is incomplete: {name} is missing; export or copy the bundle again")
            if path.stat().st_size != facts.bytes or file_digest(path) != facts.sha256:
                raise BundleError(f"{path} is altered: its hash isn't the manifest's; export or copy it again")


def contents(folder: Path) -> tuple[str, ...]:
    """Names that stand in a bundle's folder, the manifest's first; none where there is no bundle."""
    try:
        return (NAME, *{name.partition("/")[0] for name in Manifest.read(folder).files})
    except BundleError:
        return ()


class _Head(msgspec.Struct):
    """The part of a manifest that every format has."""

    format: int
    digest: str


def describe_files(folder: Path) -> dict[str, FileFacts]:
    """Size and hash of every file below a folder, but for the manifest itself."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {
        path.relative_to(folder).as_posix(): FileFacts(sha256=file_digest(path), bytes=path.stat().st_size)
        for path in paths
    }
