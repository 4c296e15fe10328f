"""The golden model: a bound fixed network on integer inputs, bit for bit what the accelerator has to give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden.difference import Difference, compare
from hwshift.golden.formats import Arithmetic
from hwshift.golden.room import empty
from hwshift.golden.runner import Runner, runner_of
from hwshift.network.fixed import FixedNetwork

__all__ = ["Difference", "Trace", "compare", "run", "trace"]


@dataclass(frozen=True)
class Trace(Mapping[str, np.ndarray]):
    """Every layer's map: a mapping from layer name to array, in execution order.

    Parameters
    ----------
    maps : dict of str to ndarray of int32, shape (images, channels, height, width)
        Without the first axis where the input had none.
    saturated : dict of str to int
        Per layer with an epilogue, the number of values that saturation changed.
    """

    maps: dict[str, np.ndarray]
    saturated: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.maps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.maps)

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def output(self) -> np.ndarray:
        """The last layer's map."""
        return self.maps[next(reversed(self.maps))]


def run(
    network: FixedNetwork, arithmetic: Arithmetic, x: np.ndarray, *, threads: int | None = None
) -> np.ndarray:
    """The network's output.

    Memory is bounded by the input, the output and a few images' maps, however many images there are.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``arithmetic``: weights of the array's kind, scales with few enough digits, no overflow. What it
        holds is not to be written to afterwards: its packed weights are kept.
    arithmetic : Arithmetic
    x : ndarray of integers, shape (images, channels, height, width) or (channels, height, width)
        Codes in the input layer's format, contiguous in memory.
    threads : int or None
        None: one for each core. The result does not depend on it.

    Returns
    -------
    ndarray of int32, shape (images, channels, height, width), or without the first axis as in x

    Raises
    ------
    NetworkError
        For a malformed network, or an x of the wrong shape.
    QuantizeError
        For a network that is not bound to ``arithmetic``, or codes outside the input's format.
    TypeError
        If x does not hold integers, or what should be network or arithmetic is something else.
    ValueError
        If x is not contiguous, or for less than one thread.
    """
    runner = runner_of(network, arithmetic)
    x = np.asarray(x)
    batch = _as_batch(runner, x)
    out = empty((len(batch), *network.output.shape))
    runner.run(batch, out, threads)
    return out[0] if x.ndim == 3 else out


def trace(
    network: FixedNetwork, arithmetic: Arithmetic, x: np.ndarray, *, threads: int | None = None
) -> Trace:
    """Every layer's map and saturation count; parameters and errors as in `run`."""
    runner = runner_of(network, arithmetic)
    batch = _as_batch(runner, np.asarray(x))
    maps = {layer.name: np.empty((len(batch), *layer.shape), np.int32) for layer in network.layers}
    saturated = runner.trace(batch, maps, threads)
    return Trace({name: data[0] for name, data in maps.items()} if np.ndim(x) == 3 else maps, saturated)


def _as_batch(runner: Runner, x: np.ndarray) -> np.ndarray:
    """The checked input as int32 with four axes; nothing is computed before."""
    if x.dtype is _CODES and x.flags.c_contiguous and runner.any_code:
        # what is checked below, for what needs no look at the values
        if x.shape == runner.shape:
            return x[None]
        if x.shape[1:] == runner.shape and len(x):
            return x
    source = runner.recipe.network.input
    if x.dtype.kind not in "iu":
        raise TypeError(f"x must hold integers, not {x.dtype}")
    shape = tuple(source.shape)
    if x.ndim not in (3, 4) or x.shape[-3:] != shape or len(x) == 0:
        raise NetworkError(
            f"the input must have shape {shape} or (images, {str(shape)[1:]}, not {x.shape}",
            where=source.name,
        )
    if not x.flags.c_contiguous:
        raise ValueError(
            f"x must be contiguous in memory (np.ascontiguousarray makes it so); its strides are {x.strides} "
            f"for shape {x.shape}"
        )
    act = runner.recipe.formats[source.name].output
    low, high = _range(x.dtype)
    if (low < act.min or high > act.max) and (x.min() < act.min or x.max() > act.max):
        raise QuantizeError(
            f"input codes must fit {act} ({act.min}..{act.max}), not {x.min()}..{x.max()}",
            where=source.name,
        )
    batch = x.reshape(-1, *shape)
    return batch if batch.dtype == np.int32 else batch.astype(np.int32)


_CODES = np.dtype(np.int32)


@cache
def _range(dtype: np.dtype) -> tuple[int, int]:
    held = np.iinfo(dtype)
    return held.min, held.max
