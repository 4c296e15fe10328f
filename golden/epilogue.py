"""The epilogue: scale, bias, activation, residual, activation, in 64-bit integers.

``y = floor(acc * m / 2**(G + s)) + b``, saturate, activation, ``+ residual``, saturate, activation.
"""

from hwshift.golden.compiled import kernel
from hwshift.golden.formats import QFormat
from hwshift.golden.integers import saturate

__all__ = ["activation_range", "epilogue_exact", "scale_floor"]


def activation_range(kind: str, lo: int, hi: int, act: QFormat) -> tuple[int, int]:
    """Every activation is a clip: the codes it lets through, inside the format ``act``.

    Raises
    ------
    ValueError
        For a kind that is not ``none``, ``relu`` or ``clamp``, or an empty range.
    """
    if kind == "none":
        return act.min, act.max
    if kind == "relu":
        return 0, act.max
    if kind != "clamp":
        raise ValueError(f"activation must be 'none', 'relu' or 'clamp', not {kind!r}")
    if not act.min <= lo <= hi <= act.max:
        raise ValueError(f"a clamp needs {act.min} <= lo <= hi <= {act.max}, not [{lo}, {hi}]")
    return lo, hi


def epilogue_exact(
    acc: int,
    m: int,
    s: int,
    b: int,
    guard: int,
    act: QFormat,
    window: tuple[int, int] | None = None,
    residual: int | None = None,
    residual_window: tuple[int, int] | None = None,
) -> int:
    """One value through the epilogue in unbounded integers: the reference for every implementation.

    Parameters
    ----------
    acc : int
        Accumulator, on the grid ``2**-(act.n + guard)``.
    m, s, b : int
        Mantissa, shift and bias of the channel.
    guard : int
        Guard bits G.
    act : QFormat
    window, residual_window : (low, high) or None
        What the activations let through (`activation_range`); None: everything.
    residual : int or None
        Code of the value added.
    """
    y = saturate((acc * m >> (guard + s)) + b, act.bits)
    if window is not None:
        y = min(max(y, window[0]), window[1])
    if residual is None:
        return y
    y = saturate(y + residual, act.bits)
    return y if residual_window is None else min(max(y, residual_window[0]), residual_window[1])


@kernel
def scale_floor(acc: int, m: int, places: int) -> int:
    """``floor(acc * m / 2**places)`` in int64 for ``0 <= places <= 62`` and 18-bit m.

    The product has up to 82 bits, so the accumulator is cut at k = min(places, 32). For places <= 32 the
    upper part is clipped to +-2**45. Beyond that the result is outside every format: the value then differs
    from the exact one, but neither in sign nor in that it saturates.
    """
    k = min(places, 32)
    hi = acc >> k
    lo = acc - (hi << k)
    if places <= 32:
        hi = min(max(hi, -(1 << 45)), 1 << 45)
    return (hi * m + ((lo * m) >> k)) >> max(0, places - 32)
