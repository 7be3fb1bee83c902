"""How many instances hold the copies of an endpoint."""

from __future__ import annotations

from collections.abc import Sequence


def instances_needed(gpus_per_copy: Sequence[int], *, gpus_per_instance: int) -> int:
    """Return how many instances hold all copies, each within one instance (first fit, largest first).

    Args:
        gpus_per_copy: GPUs of every single copy; a component with three copies is listed three times.
        gpus_per_instance: GPUs of one instance; no copy may need more.
    """
    free: list[int] = []
    for gpus in sorted(gpus_per_copy, reverse=True):
        for index, left in enumerate(free):
            if left >= gpus:
                free[index] -= gpus
                break
        else:
            free.append(gpus_per_instance - gpus)
    return len(free)
