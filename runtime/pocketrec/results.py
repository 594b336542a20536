"""The one form of every measured result: evaluations, benchmarks and experiments."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from pocketrec.config import Config
from pocketrec.cpu import cpu_flags, cpu_name
from pocketrec.errors import DataError
from pocketrec.staging import write_whole
from pocketrec.threads import available_cores

_FLAGS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16"),
)
_PACKAGES = ("pocketrec", "numpy", "onnxruntime", "hnswlib", "tokenizers", "torch", "transformers")


class Machine(Config, frozen=True, kw_only=True):
    """Where a figure was measured."""

    cpu: str
    cores: int
    """Cores this process may use."""
    flags: tuple[str, ...]
    """Instruction sets that matter for int8 and bfloat16."""
    system: str
    python: str

    @classmethod
    def here(cls) -> "Machine":
        """Facts of this machine; on systems without /proc the CPU's name is what Python knows."""
        flags = cpu_flags()
        return cls(
            cpu=cpu_name(),
            cores=available_cores(),
            flags=tuple(flag for flag in _FLAGS if flag in flags),
            system=f"{platform.system()} {platform.machine()}",
            python=sys.version.split()[0],
        )


class Result(Config, frozen=True, kw_only=True):
    """What a command measured. Keys of metrics follow the docs: `ndcg@10`, `cold/ndcg@10`, `load_s`."""

    name: str
    command: str
    machine: Machine
    versions: dict[str, str]
    seeds: tuple[int, ...] = ()
    duration_s: float = 0.0
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    """95 % intervals, keyed as `metrics`."""
    baselines: dict[str, dict[str, float]] = {}
    notes: dict[str, str] = {}
    """Facts in words that a reader needs to rerun or read the figures: split, precision, data set."""

    def write(self, path: Path) -> None:
        """Write as indented JSON, whole or not at all."""
        write_whole(path, msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Read what `write` wrote.

        Raises:
            DataError: The file is missing or not of this form.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise DataError(f"can't read result {path}: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is not a result: {error}") from None


def installed_versions() -> dict[str, str]:
    """Versions of the packages that shape a figure, those that are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
