"""Programs with fields drawn over the whole of their ranges, which bring wide registers and adders to work."""

import numpy as np

from hwshift.program.image import Program
from hwshift.program.isa import FORMATS, Opcode
from hwshift.sim.functional import FunctionalSimulator

from ..sim.directed import roomy
from ..sim.ends import changed, ends
from ..sim.extremes import Extreme, any_input, run

_KEPT = ("opcode", "pop", "push", "address", "row_beats", "ktile_advance")
"""Fields that the verifier ties to other instructions."""
_CHANGED = [opcode for opcode in Opcode if opcode not in (Opcode.HEADER, Opcode.END)]


def drawn_fields(program: Program, rng: np.random.Generator, tries: int, longest: int) -> Extreme | None:
    """Change fields of a program one after the other, as far as the verifier and the models agree.

    Parameters
    ----------
    program : Program
    rng : Generator
    tries : int
        Changes that are tried.
    longest : int
        Cycles that the program may take.

    Returns
    -------
    Extreme or None
        None if the models do not even agree on the program as it is.
    """
    x = any_input(program, rng)
    best = run(roomy(program), x, longest)
    if best is None:
        return None
    for _ in range(tries):
        moved = _drawn(best.program, rng)
        found = run(moved, x, longest) if moved else None
        best = found if found and _settled(found, rng) else best
    return best


def _settled(found: Extreme, rng: np.random.Generator) -> bool:
    """Whether what it leaves has nothing to do with what was in the shift buffer: large values of both signs."""
    act = found.program.config.act
    simulator = FunctionalSimulator(found.program.config, found.before.copy())
    simulator.buffer[:] = rng.integers(act.min, act.max + 1, simulator.buffer.shape)
    simulator.run(found.program.program_base)
    return np.array_equal(simulator.memory, found.after)


def _drawn(program: Program, rng: np.random.Generator) -> Program | None:
    """With one or two fields of an instruction drawn, if the verifier agrees."""
    places = [index for index, item in enumerate(program.instructions) if item.opcode in _CHANGED]
    index = places[rng.integers(len(places))]
    opcode = program.instructions[index].opcode
    fields = [item for item in FORMATS[opcode].fields if item.name not in _KEPT]
    values = {}
    for item in (fields[number] for number in rng.permutation(len(fields))[: 1 + rng.integers(2)]):
        low, high = ends(program.config, opcode, item)
        wide = int(rng.integers(1 << int(rng.integers(1, max(2, high.bit_length() + 1)))))
        values[item.name] = min(max(low, wide if low >= 0 or rng.random() < 0.5 else -wide), high)
    return changed(program, index, values)
