"""What becomes of the memory of arrays that are not needed any more."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_LARGEST = 2**25 - 2**13  # bytes; M_MMAP_THRESHOLD grows to at most 2**25


@lru_cache(maxsize=1)
def keep_freed_arrays() -> None:
    """Have the allocator keep freed arrays for the next ones.

    glibc hands their pages back to the kernel, which has to clear every page of the next array, until it has seen a
    large block freed (M_MMAP_THRESHOLD and M_TRIM_THRESHOLD in mallopt(3)). The block here is never touched, so it
    costs nothing, and up to 64 MiB stay with the process. Other allocators take no notice.
    """
    np.empty(_LARGEST, dtype=np.uint8)
