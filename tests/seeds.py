"""Seeds of random tests: printed, and set by the environment variable HWSHIFT_SEED.

A test that draws asks for its seed, or for a generator, here. Without the variable it draws the same in every run; with
it, the number is added, so that every test draws anew and a failure is repeated by setting the same number.
"""

import os
import random

import numpy as np

VARIABLE = "HWSHIFT_SEED"


def offset() -> int:
    """What the variable adds to every seed. Raises ValueError if it is no integer of 0 or more."""
    text = os.environ.get(VARIABLE, "0")
    if not text.isdecimal():
        raise ValueError(f"{VARIABLE} must be an integer of 0 or more, not {text!r}")
    return int(text)


def seed_of(what: str, default: int) -> int:
    """The seed of a test. Raises ValueError if the variable is no integer of 0 or more."""
    seed = default + offset()
    print(f"{what}: seed {seed} ({VARIABLE}={offset()})")
    return seed


def generator(*default: int) -> np.random.Generator:
    """NumPy's generator of one number or of several, together with the variable's."""
    added = offset()
    print(f"generator of {default} ({VARIABLE}={added})")
    seed = [*default, added] if added else list(default)
    return np.random.default_rng(seed[0] if len(seed) == 1 else seed)


def python_random(default: int) -> random.Random:
    """Python's generator, likewise."""
    return random.Random(seed_of("random", default))
