"""What can be said of a pool before it is computed."""

from dataclasses import replace

import numpy as np

from hwshift.network import fixed

__all__ = ["is_direct", "pool_counts"]

_WINDOW = 64  # positions of a pool that is done tap by tap


def is_direct(network: fixed.FixedNetwork, layer: fixed.FixedLayer) -> bool:
    """Whether a pool's positions are few enough to list them, and zeros beside the map do no harm.

    To an average they do none if it has one divisor; to a maximum if no input is negative, and each window has one.
    """
    op, source = layer.op, layer.inputs[0]
    assert isinstance(op, fixed.Pool)
    if op.kernel[0] * op.kernel[1] > _WINDOW:
        return False
    extent = network.layer(source).shape[1:]
    if op.kind == "avg":
        return len(np.unique(pool_counts(extent, op))) == 1
    inside = pool_counts(extent, replace(op, include_border=False))
    return not any(op.padding) or (int(inside.min()) > 0 and _is_never_negative(network, source))


def _is_never_negative(network: fixed.FixedNetwork, name: str) -> bool:
    """Whether a map's last activation, or that of all it is made of, leaves nothing below zero."""
    layer = network.layer(name)
    if isinstance(layer.op, fixed.Concat | fixed.Shuffle | fixed.Slice):
        return all(_is_never_negative(network, source) for source in layer.inputs)
    if layer.epilogue is None:
        return False
    last = layer.epilogue.activation if layer.residual is None else layer.epilogue.residual_activation
    return last.kind in ("relu", "sigmoid") or (last.kind == "clamp" and last.lo >= 0)


def pool_counts(extent: tuple[int, int], pool: fixed.Pool) -> np.ndarray:
    """Number of positions each window counts: all, or those inside a map of this size.

    Returns
    -------
    ndarray of int64, shape (out pixels,)
    """
    inside = []
    for axis in range(2):
        room = extent[axis] + pool.padding[axis] + pool.padding[axis + 2] - pool.kernel[axis]
        first = np.arange(room // pool.stride[axis] + 1) * pool.stride[axis] - pool.padding[axis]
        last = first + pool.kernel[axis]
        if not pool.include_border:
            first, last = np.clip(first, 0, extent[axis]), np.clip(last, 0, extent[axis])
        inside.append(last - first)
    return np.outer(*inside).ravel().astype(np.int64)
