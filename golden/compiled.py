"""How the golden model's kernels are compiled: without reference counts, since they allocate nothing."""

from pathlib import Path

from hwshift.kernels import kernel_decorator

__all__ = ["inlined", "kernel"]

kernel = kernel_decorator(Path(__file__).parent, _nrt=False)
"""Decorator of a kernel."""

inlined = kernel_decorator(Path(__file__).parent, _nrt=False, inline="always")
"""Decorator of a helper that is compiled into each caller, with the constants it is called with."""
