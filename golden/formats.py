"""Number formats: fixed point ``Qm.n``, signed powers of two, and the arithmetic of one accelerator.

Everything that has a width anywhere in hwshift takes it from the objects of this module.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from hwshift.errors import ConfigError, QuantizeError

__all__ = [
    "MANTISSA_BITS",
    "MAX_SHIFT",
    "SHIFT_BITS",
    "Arithmetic",
    "PeKind",
    "Pow2Format",
    "QFormat",
]

PeKind = Literal["mac", "shift_add"]

MANTISSA_BITS = 18
"""Width of the signed mantissa ``m`` of an epilogue scale."""
SHIFT_BITS = 6
"""Width of the unsigned shift ``s`` of an epilogue scale."""
MAX_SHIFT = 62
"""Largest allowed ``G + s``: the scaled accumulator is shifted right by that many places."""

_LOG_THRESHOLD = float.fromhex("0x1.6A09E667F3BCDp-1")  # sqrt(1/2), the log-domain midpoint of [0.5, 1)


@dataclass(frozen=True)
class QFormat:
    """Two's complement fixed point with ``m`` integer bits (sign included) and ``n`` fraction bits.

    Parameters
    ----------
    m, n : int
        ``1 <= m``, ``0 <= n`` and ``2 <= m + n <= 32``. The default Q16.16 is the format of DeepShift's
        ``round_to_fixed(x, 16, 16)``: 32 bits in all.
    """

    m: int = 16
    n: int = 16

    def __post_init__(self) -> None:
        if not (isinstance(self.m, int) and isinstance(self.n, int)) or self.m < 1 or self.n < 0:
            raise ConfigError(f"a format Qm.n needs integers m >= 1 and n >= 0, not Q{self.m!r}.{self.n!r}")
        if not 2 <= self.m + self.n <= 32:
            raise ConfigError(
                f"a format Qm.n needs 2 <= m + n <= 32, not {self.m + self.n} (Q{self.m}.{self.n})"
            )

    @classmethod
    def parse(cls, text: str) -> "QFormat":
        """Read ``"Q16.16"``. Raises `ConfigError` for anything else."""
        head, dot, tail = text.strip().upper().removeprefix("Q").partition(".")
        if not (dot and head.isdecimal() and tail.isdecimal()):
            raise ConfigError(f"a format is written Qm.n, for example Q16.16, not {text!r}")
        return cls(int(head), int(tail))

    @property
    def bits(self) -> int:
        """Width in bits."""
        return self.m + self.n

    @property
    def storage_bits(self) -> int:
        """Width in memory: the next of 8, 16 and 32 bits."""
        return next(width for width in (8, 16, 32) if width >= self.bits)

    @property
    def min(self) -> int:
        """Smallest integer code."""
        return -(1 << (self.bits - 1))

    @property
    def max(self) -> int:
        """Largest integer code."""
        return (1 << (self.bits - 1)) - 1

    def floor(self, values: np.ndarray | float, upper: float | None = None) -> np.ndarray:
        """Activation rule: float to integer codes by floor to the grid, then saturation.

        Parameters
        ----------
        values : array of float
        upper : float or None
            Upper end of the saturation; DeepShift's ``round_to_fixed`` uses 32767.0.

        Returns
        -------
        ndarray of int64, same shape

        Raises
        ------
        QuantizeError
            For NaN or infinity.
        """
        top = self.max if upper is None else min(self.max, int(np.floor(np.ldexp(float(upper), self.n))))
        scaled = np.floor(self._scaled(self._finite(values)))
        return np.clip(scaled, float(self.min), float(top)).astype(np.int64)

    def nearest(self, values: np.ndarray | float) -> np.ndarray:
        """Weight and bias rule: float to integer codes, nearest even.

        Returns
        -------
        ndarray of int64, same shape

        Raises
        ------
        QuantizeError
            For NaN or infinity, or a value outside the format.
        """
        data = self._finite(values)
        codes = np.rint(self._scaled(data))
        outside = (codes < self.min) | (codes > self.max)
        if outside.any():
            worst = float(data[outside].flat[0])
            raise QuantizeError(
                f"value {worst!r} is outside {self}: allowed {self.to_float(self.min)} "
                f"to {self.to_float(self.max)}"
            )
        return codes.astype(np.int64)

    def to_float(self, codes: np.ndarray | int) -> np.ndarray | float:
        """Integer codes to the float64 values they stand for (exact)."""
        return np.ldexp(np.asarray(codes, dtype=np.float64), -self.n)[()]

    def _scaled(self, data: np.ndarray) -> np.ndarray:
        """In units of the grid; beyond float64's range infinite, which the callers clip or refuse."""
        with np.errstate(over="ignore"):
            return np.ldexp(data, self.n)

    @staticmethod
    def _finite(values: np.ndarray | float) -> np.ndarray:
        data = np.asarray(values, dtype=np.float64)
        if not np.isfinite(data).all():
            raise QuantizeError("values must be finite, not NaN or infinity")
        return data

    def __str__(self) -> str:
        return f"Q{self.m}.{self.n}"


@dataclass(frozen=True)
class Pow2Format:
    """Weights ``sign * 2**p`` with ``p_min <= p <= p_max``, stored as sign and ``q = p_max - p``.

    The default [-15, 0] has 33 values with zero, one more than 5 bits hold: per layer the code of
    ``-2**p_min`` means either that value or zero.
    """

    p_min: int = -15
    p_max: int = 0

    def __post_init__(self) -> None:
        integers = isinstance(self.p_min, int) and isinstance(self.p_max, int)
        if not integers or not (-31 <= self.p_min <= 0 <= self.p_max <= 8 and self.p_max - self.p_min <= 31):
            raise ConfigError(
                "pow2 weights need integers -31 <= p_min <= 0 <= p_max <= 8 and p_max - p_min <= 31, "
                f"not [{self.p_min!r}, {self.p_max!r}]"
            )

    @property
    def shift_bits(self) -> int:
        """Width of ``q``."""
        return max(1, (self.p_max - self.p_min).bit_length())

    @property
    def bits(self) -> int:
        """Width of a stored code: sign and ``q``."""
        return 1 + self.shift_bits

    def from_float(self, values: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Nearest power of two in the log domain (DeepShift-Q).

        With ``w = f * 2**e`` and ``0.5 <= f < 1``, p is e above sqrt(1/2) and e - 1 below. ``|w|`` is clamped
        into the range first; an exact zero stays zero.

        Returns
        -------
        (sign, p) : ndarrays of int64, same shape
            ``sign`` in {-1, 0, 1}; p is ``p_min`` where sign is 0.

        Raises
        ------
        QuantizeError
            For NaN or infinity.
        """
        data = QFormat._finite(values)
        fraction, exponent = np.frexp(np.abs(data))
        p = exponent.astype(np.int64) - (fraction < _LOG_THRESHOLD)
        p = np.clip(p, self.p_min, self.p_max)
        sign = np.sign(data).astype(np.int64)
        return sign, np.where(sign == 0, self.p_min, p)

    def from_ps(self, p: np.ndarray, sign: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """DeepShift-PS parameters: P rounds half to even, the sign is +-1 only for ``|S| > 0.5``.

        Returns
        -------
        (sign, p) : ndarrays of int64, as `from_float`
        """
        power = np.clip(np.rint(QFormat._finite(p)), self.p_min, self.p_max).astype(np.int64)
        s = QFormat._finite(sign)
        signs = np.where(np.abs(s) > 0.5, np.sign(s), 0.0).astype(np.int64)
        return signs, np.where(signs == 0, self.p_min, power)

    def to_float(self, sign: np.ndarray, p: np.ndarray) -> np.ndarray:
        """The float64 values of ``sign * 2**p`` (exact)."""
        return np.ldexp(np.asarray(sign, dtype=np.float64), np.asarray(p, dtype=np.int32))

    def __str__(self) -> str:
        return f"pow2[{self.p_min},{self.p_max}]"


@dataclass(frozen=True)
class Arithmetic:
    """What defines every result: PE kind, formats, guard bits, accumulator width, scale restriction.

    Parameters
    ----------
    pe : "mac" or "shift_add"
        The term a PE adds: ``(x * w) >> (weights.n - guard)`` or ``+-((x << (guard + p_max)) >> q)``,
        both shifts arithmetic.
    act : QFormat
        Activations.
    weights : QFormat for mac, Pow2Format for shift_add
    guard : int
        Guard bits G: the accumulator grid is ``2**-(act.n + guard)``. Terms are exact iff G = weights.n (mac)
        or G = -p_min (shift_add), which is also the largest G allowed. None on construction: exact.
    acc_width : int
        Accumulator bits. None on construction: 64 for mac, 56 for shift_add.

    scale_digits : int or None
        Signed digits a scale mantissa may have in an epilogue without multipliers; None: a full multiplier.

    Raises
    ------
    ConfigError
        For a combination that cannot be built.
    """

    pe: PeKind = "shift_add"
    act: QFormat = QFormat()
    weights: QFormat | Pow2Format = Pow2Format()
    guard: int = None  # type: ignore[assignment]  # __post_init__ puts the exact value
    acc_width: int = None  # type: ignore[assignment]  # likewise
    scale_digits: int | None = None

    def __post_init__(self) -> None:
        expected = {"mac": QFormat, "shift_add": Pow2Format}
        if self.pe not in expected:
            raise ConfigError(f"pe must be 'mac' or 'shift_add', not {self.pe!r}")
        if not isinstance(self.weights, expected[self.pe]):
            kind = expected[self.pe].__name__
            raise ConfigError(f"a {self.pe} array needs weights in a {kind}, not {self.weights}")
        if self.guard is None:
            object.__setattr__(self, "guard", self.exact_guard)
        if self.acc_width is None:
            object.__setattr__(self, "acc_width", 64 if self.pe == "mac" else 56)
        if not isinstance(self.guard, int) or not 0 <= self.guard <= self.exact_guard:
            raise ConfigError(
                f"guard must lie in 0..{self.exact_guard} for {self.weights}, not {self.guard!r}"
            )
        low = self.act.bits + self.guard + 1
        if not isinstance(self.acc_width, int) or not low <= self.acc_width <= 64:
            raise ConfigError(
                f"acc_width must lie in {low}..64 for {self.act} "
                f"with {self.guard} guard bits, not {self.acc_width!r}"
            )
        if self.scale_digits is not None and not 1 <= self.scale_digits <= 4:
            raise ConfigError(f"scale_digits must lie in 1..4 or be absent, not {self.scale_digits!r}")

    @property
    def exact_guard(self) -> int:
        """The smallest G for which every term is exact."""
        if isinstance(self.weights, QFormat):
            return self.weights.n
        return -self.weights.p_min

    @property
    def exact(self) -> bool:
        """Whether terms lose no bits."""
        return self.guard == self.exact_guard

    @property
    def acc_max(self) -> int:
        """Largest accumulator magnitude that is allowed to occur: ``2**(acc_width - 1) - 1``."""
        return (1 << (self.acc_width - 1)) - 1

    def term(self, x: int, weight: int | tuple[int, int]) -> int:
        """One PE's term in unbounded Python integers: the reference for every other implementation.

        Parameters
        ----------
        x : int
            Activation code.
        weight : int for mac, (sign, p) for shift_add
        """
        if isinstance(self.weights, QFormat):
            assert isinstance(weight, int)
            return (x * weight) >> (self.weights.n - self.guard)
        assert isinstance(weight, tuple)
        sign, p = weight
        return sign * ((x << (self.guard + self.weights.p_max)) >> (self.weights.p_max - p))

    def with_(self, **changes: Any) -> "Arithmetic":
        """A copy with fields replaced (guard and acc_width are kept unless given)."""
        return replace(self, **changes)
