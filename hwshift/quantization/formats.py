"""The finest number formats that hold given values."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hwshift.errors import ConfigError, QuantizeError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.fuse import Chain

__all__ = ["fixed_format", "pow2_format", "weight_format", "weights_of"]


def fixed_format(reach: float, bits: int, *, least_m: int = 1) -> QFormat:
    """The finest Qm.n of `bits` bits that holds the values -reach to reach, m being at least `least_m`.

    Raises
    ------
    ConfigError
        For a number of bits that no format has.
    QuantizeError
        When none holds them.
    """
    if not 2 <= bits <= 32:
        raise ConfigError(f"a format has 2 to 32 bits, not {bits}")
    for m in range(min(least_m, bits), bits + 1):
        fmt = QFormat(m, bits - m)
        if fmt.to_float(fmt.max) >= reach:
            return fmt
    most = QFormat(bits, 0).max
    raise QuantizeError(f"values reach {reach:.6g}, a format of {bits} bits holds at most {most}: use more")


def pow2_format(weights: np.ndarray, bits: int) -> Pow2Format:
    """Powers of two for codes of `bits` bits, sign included, that end at the largest weight's (0 at least).

    Raises
    ------
    ConfigError
        For a number of bits that no format has.
    """
    if not 2 <= bits <= 6:
        raise ConfigError(f"codes of powers of two have 2 to 6 bits, not {bits}")
    steps = (1 << (bits - 1)) - 1
    _, power = Pow2Format(-23, 8).from_float(np.abs(weights).max(initial=0))
    highest = min(max(0, int(power)), steps)
    return Pow2Format(highest - steps, highest)


def weight_format(
    chains: Sequence[Chain], kind: Literal["pow2", "fixed"], bits: int
) -> tuple[Pow2Format | QFormat, dict[str, str]]:
    """A format of that many bits for all weights of a network, and by layer the one that would suit it alone.

    Raises
    ------
    ConfigError, QuantizeError
        As `fixed_format` and `pow2_format`.
    """
    layers = {chain.name: values for chain in chains if (values := weights_of(chain)) is not None}
    every = np.concatenate([np.zeros(1), *(values.ravel() for values in layers.values())])
    others = any(not isinstance(chain.root.op, ops.Input | ops.Conv2d | ops.Linear) for chain in chains)

    def suited(values: np.ndarray, least_m: int) -> Pow2Format | QFormat:
        if kind == "pow2":
            return pow2_format(values, bits)
        return fixed_format(float(np.abs(values).max(initial=0)), bits, least_m=least_m)

    # pools, sums and shifts multiply by 1.0, which a mac array takes from the same format
    chosen = suited(every, 2 if others else 1)
    return chosen, {name: str(suited(values, 1)) for name, values in layers.items()}


def weights_of(chain: Chain) -> np.ndarray | None:
    """The float64 weights of a layer to be; None where it has none."""
    op = chain.root.op
    return op.weight.astype(np.float64) if isinstance(op, ops.Conv2d | ops.Linear) else None
