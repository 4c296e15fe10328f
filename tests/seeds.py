"""Seeds of random tests: printed, and set by the environment variable HWSHIFT_SEED.

A test that draws asks for its seed here. Without the variable it is the same in every run; with it, the number is
added to it, so that every test draws anew and a failure is repeated by setting the same number.
"""

import os

VARIABLE = "HWSHIFT_SEED"


def seed_of(what: str, default: int) -> int:
    """The seed of a test. Raises ValueError if the variable is no integer of 0 or more."""
    text = os.environ.get(VARIABLE, "0")
    if not text.isdecimal():
        raise ValueError(f"{VARIABLE} must be an integer of 0 or more, not {text!r}")
    seed = default + int(text)
    print(f"{what}: seed {seed} ({VARIABLE}={text})")
    return seed
