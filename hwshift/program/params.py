"""Epilogue parameters as the table holds them: one 64-bit PARAM entry per output channel."""

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import MANTISSA_BITS, MAX_SHIFT
from hwshift.golden.scale import GATE_SHIFT, MAX_GATE, digit_count, gate_mantissa
from hwshift.program.isa import PARAM_ENTRY

__all__ = [
    "DIGIT_BITS",
    "DIGITS",
    "NO_DIGIT",
    "decode_param",
    "encode_gates",
    "encode_param",
    "encode_params",
    "pack_params",
]

DIGITS = 4
"""Signed digits the scale field has room for."""
DIGIT_BITS = 6
"""Bits of one digit: position in bits 0 to 4, sign in bit 5."""
NO_DIGIT = 31
"""The position of a digit that is not there."""


def encode_param(config: AcceleratorConfig, m: int, s: int, b: int) -> int:
    """One channel's scale and bias as a table entry; see `encode_params`."""
    return int(encode_params(config, *(np.array([value]) for value in (m, s, b)))[0])


def encode_params(config: AcceleratorConfig, m: np.ndarray, s: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scales and biases as table entries.

    Parameters
    ----------
    m : ndarray of int64, shape (channels,)
        Signed 18-bit mantissas; with ``config.scale_digits`` of at most that many signed digits.
    s : ndarray of int64, shape (channels,)
        Shifts, ``0 <= s`` and ``G + s <= 62``.
    b : ndarray of int64, shape (channels,)
        Biases in the activation format.

    Returns
    -------
    ndarray of uint64, shape (channels,)

    Raises
    ------
    ValueError
        Naming the parameter, its range and the first value outside.
    """
    assert config.guard is not None
    half = 1 << (MANTISSA_BITS - 1)
    _check_range("m", m, -half, half - 1)
    _check_range("s", s, 0, MAX_SHIFT - config.guard)
    _check_range("b", b, config.act.min, config.act.max)
    if config.scale_digits is None:
        scale = m & (2 * half - 1)
    else:
        count = digit_count(m.astype(np.int64))
        over = np.flatnonzero(count > config.scale_digits)
        if len(over):
            value, digits = int(m[over[0]]), int(count[over[0]])
            raise ValueError(
                f"m must have at most {config.scale_digits} signed digits, not {digits} ({value})"
            )
        scale = _encode_digits(m, count)
    fields = {"bias": b, "scale": scale, "shift": s}
    entries = np.zeros(len(m), np.uint64)
    for name, values in fields.items():
        mask = (1 << PARAM_ENTRY.by_name[name].width) - 1
        entries |= (values.astype(np.int64) & mask).astype(np.uint64) << np.uint64(PARAM_ENTRY.offsets[name])
    return entries


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
    entries = encode_params(config, m, np.full_like(m, GATE_SHIFT), np.zeros_like(m))
    return pack_params(config, entries.reshape(-1, config.columns))


def pack_params(config: AcceleratorConfig, tiles: np.ndarray) -> np.ndarray:
    """Table entries as they lie in memory: those of every tile in whole beats.

    Parameters
    ----------
    config : AcceleratorConfig
    tiles : ndarray of uint64, shape (n, C)

    Returns
    -------
    ndarray of uint8, shape (n * param_beats * beat_bytes,)
    """
    content = tiles.astype("<u8").view(np.uint8)
    out = np.zeros((len(tiles), config.param_beats * config.beat_bytes), np.uint8)
    out[:, : content.shape[1]] = content
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


def _encode_digits(m: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mantissas as digits, no two neighbours non-zero, highest position first; ``count`` of each."""
    rest, left = m.astype(np.int64), count.copy()
    code = np.zeros_like(rest)
    for position in range(MANTISSA_BITS):
        odd = rest & 1 == 1
        negative = odd & (rest & 3 == 3)
        left -= odd
        digit = position | negative.astype(np.int64) << (DIGIT_BITS - 1)
        code |= np.where(odd, digit << DIGIT_BITS * left, 0)
        rest = (rest - odd + 2 * negative) >> 1
    for place in range(DIGITS):
        code |= np.where(place >= count, NO_DIGIT << DIGIT_BITS * place, 0)
    return code


def _decode_digit(code: int) -> int:
    position, negative = code & NO_DIGIT, code >> (DIGIT_BITS - 1) & 1
    if position == NO_DIGIT:
        return 0
    return -(1 << position) if negative else 1 << position


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
    outside = np.flatnonzero((values < low) | (values > high))
    if len(outside):
        raise ValueError(f"{name} must lie in {low}..{high}, not {int(values[outside[0]])}")
