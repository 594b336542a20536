"""Memory of a process that trains."""

import ctypes
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt(3)


def keep_freed_memory() -> None:
    """Let the C library keep large blocks for the next step instead of giving them back to the system.

    Each step of training takes and frees the same few large arrays. glibc maps every one of them anew, and the
    kernel fills it with zeros page by page: more than half of the time of a softmax over a whole catalogue.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):  # musl has none
            library.mallopt(_MMAP_THRESHOLD, 1 << 30)
            library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
