"""Memories that models left against what they have to hold: how many activations differ, and where the first."""

import numpy as np

from hwshift.program.expected import tensor_table
from hwshift.program.image import Program
from hwshift.sim.benches.memory_difference import first_difference

__all__ = ["MemoryComparison"]


class MemoryComparison:
    """Collects what comparisons of a program's memory find.

    Members
    -------
    compared : int
        Activations of all maps but the input, per memory.
    mismatches : int
        Activations that differ; a difference elsewhere in memory counts as one.
    differences : list of str
        Per memory that differs, where it first does.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._table = tensor_table(program)
        self.compared = 0
        self.mismatches = 0
        self.differences: list[str] = []

    def memory(self, what: str, expected: bytes, actual: bytes) -> None:
        """Compare every byte; ``what`` begins the line about a difference."""
        program = self._program
        before, after = (np.frombuffer(item, np.uint8) for item in (expected, actual))
        differing = 0
        for record in program.tensors[1:]:
            wrong = program.read_tensor(before, record.layer) != program.read_tensor(after, record.layer)
            self.compared += wrong.size
            differing += int(np.count_nonzero(wrong))
        text = first_difference(expected, actual, self._table)
        if text is not None:
            self.mismatches += max(1, differing)
            self.differences.append(f"{what}: {text}")
