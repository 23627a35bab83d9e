"""How much memory there is, and how much of it waiting pictures take."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

BYTES_AHEAD: Final = 2**28
"""Pictures that are read ahead, or wait to be written, take no more than this together: one more is begun below it."""

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@cache
def _machine() -> int:
    """Bytes of this machine, or of this container."""
    sizes = [2**63]
    with suppress(OSError, ValueError, AttributeError):
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            sizes.append(int(Path(path).read_text()))
    return min(size for size in sizes if size > 0)


def memory() -> int:
    """Bytes that this process may use: the machine's, its container's or its own limit (RLIMIT_AS)."""
    try:
        import resource
    except ImportError:  # Windows
        return _machine()
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    return _machine() if own == resource.RLIM_INFINITY else min(own, _machine())


def held_by(item: Any) -> int:
    """Bytes of the pictures in what is handed from step to step: arrays, frames, and lists and tuples of them."""
    if isinstance(item, (tuple, list)):
        return sum(map(held_by, item))
    array = item if isinstance(item, np.ndarray) else getattr(item, "image", None)
    return array.nbytes if isinstance(array, np.ndarray) else 0
