"""Epilogue parameters as the table holds them: one 64-bit PARAM entry per output channel."""

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import MANTISSA_BITS, MAX_SHIFT
from hwshift.golden.scale import GATE_SHIFT, MAX_GATE, digit_count, gate_mantissa, signed_digits
from hwshift.program.isa import PARAM_ENTRY

__all__ = ["DIGIT_BITS", "DIGITS", "NO_DIGIT", "decode_param", "encode_gates", "encode_param"]

DIGITS = 4
"""Signed digits the scale field has room for."""
DIGIT_BITS = 6
"""Bits of one digit: position in bits 0 to 4, sign in bit 5."""
NO_DIGIT = 31
"""The position of a digit that is not there."""


def encode_param(config: AcceleratorConfig, m: int, s: int, b: int) -> int:
    """One channel's scale and bias as a table entry.

    Parameters
    ----------
    m : int
        Signed 18-bit mantissa; with ``config.scale_digits`` of at most that many signed digits.
    s : int
        Shift, ``0 <= s`` and ``G + s <= 62``.
    b : int
        Bias in the activation format.

    Raises
    ------
    ValueError
        Naming the parameter, its range and the value.
    """
    assert config.guard is not None
    half = 1 << (MANTISSA_BITS - 1)
    _check_range("m", m, -half, half - 1)
    _check_range("s", s, 0, MAX_SHIFT - config.guard)
    _check_range("b", b, config.act.min, config.act.max)
    if config.scale_digits is None:
        scale = m & (2 * half - 1)
    else:
        count = digit_count(m)
        if count > config.scale_digits:
            raise ValueError(f"m must have at most {config.scale_digits} signed digits, not {count} ({m})")
        scale = _encode_digits(m)
    return PARAM_ENTRY.pack({"bias": b, "scale": scale, "shift": s})


def encode_gates(config: AcceleratorConfig, values: np.ndarray) -> np.ndarray:
    """Gates as the storer writes them: a parameter entry for each, every tile of C entries in whole beats.

    Parameters
    ----------
    values : ndarray of integers, shape (n * C,)
        In the activation format.

    Returns
    -------
    ndarray of uint8, shape (n * param_beats * beat_bytes,)

    Raises
    ------
    ValueError
        When a gate is not smaller than 2 in magnitude.
    """
    m = gate_mantissa(values.astype(np.int64), config.act.n)
    if np.abs(m).max() > MAX_GATE:
        raise ValueError("a gate is not smaller than 2 in magnitude")
    entries = [encode_param(config, value, GATE_SHIFT, 0) for value in m.tolist()]
    tiles = np.array(entries, "<u8").reshape(-1, config.columns).view(np.uint8)
    out = np.zeros((len(tiles), config.param_beats * config.beat_bytes), np.uint8)
    out[:, : tiles.shape[1]] = tiles
    return out.ravel()


def decode_param(config: AcceleratorConfig, entry: int) -> tuple[int, int, int]:
    """Inverse of `encode_param`: (m, s, b)."""
    fields = PARAM_ENTRY.unpack(entry)
    scale = fields["scale"]
    if config.scale_digits is None:
        half = 1 << (MANTISSA_BITS - 1)
        m = ((scale & (2 * half - 1)) ^ half) - half
    else:
        m = sum(_decode_digit(scale >> DIGIT_BITS * i) for i in range(DIGITS))
    return m, fields["shift"], fields["bias"]


def _encode_digits(m: int) -> int:
    _, digits = signed_digits(m, DIGITS)
    codes = [position | (sign < 0) << (DIGIT_BITS - 1) for sign, position in digits]
    codes += [NO_DIGIT] * (DIGITS - len(codes))
    return sum(code << DIGIT_BITS * i for i, code in enumerate(codes))


def _decode_digit(code: int) -> int:
    position, negative = code & NO_DIGIT, code >> (DIGIT_BITS - 1) & 1
    if position == NO_DIGIT:
        return 0
    return -(1 << position) if negative else 1 << position


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in {low}..{high}, not {value!r}")
