"""How the golden model's kernels are compiled: without reference counts, since they allocate nothing."""

from pathlib import Path

import numpy as np

from hwshift.kernels import kernel_decorator

__all__ = ["ONE", "ZERO", "inlined", "kernel"]

ZERO, ONE = np.int64(0), np.int64(1)
"""Arguments of the type that variables have; a number in the code has its own, for which a kernel is compiled again."""

kernel = kernel_decorator(Path(__file__).parent, _nrt=False)
"""Decorator of a kernel."""

inlined = kernel_decorator(Path(__file__).parent, _nrt=False, inline="always")
"""Decorator of a helper that is compiled into each caller, with the constants it is called with."""
