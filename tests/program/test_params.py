"""Entries of the parameter table."""

import re

import pytest

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import PARAM_ENTRY
from hwshift.program.params import decode_param, encode_param

FULL = AcceleratorConfig()
DIGITS = AcceleratorConfig(scale_digits=3)


def test_a_full_mantissa_is_18_bits():
    fields = PARAM_ENTRY.unpack(encode_param(FULL, -2, 5, -7))
    assert fields == {"bias": -7, "scale": 0x3FFFE, "shift": 5}


def test_digits_are_sign_and_position():
    """7 is 2**3 - 2**0; two digits are left out."""
    fields = PARAM_ENTRY.unpack(encode_param(DIGITS, 7, 0, 0))
    assert fields["scale"] == 3 | (32 + 0) << 6 | 31 << 12 | 31 << 18


@pytest.mark.parametrize("m", [0, 1, -1, (1 << 17) - 1, -(1 << 17), 0x10101, -0x12000])
@pytest.mark.parametrize("config", [FULL, DIGITS], ids=["full", "digits"])
def test_round_trip(config, m):
    for s, b in [(0, 0), (62 - config.guard, config.act.min), (17, config.act.max)]:
        assert decode_param(config, encode_param(config, m, s, b)) == (m, s, b)


@pytest.mark.parametrize(
    "param, message",
    [
        ((1 << 17, 0, 0), "m must lie in -131072..131071, not 131072"),
        ((1, -1, 0), "s must lie in 0..47, not -1"),
        ((1, 48, 0), "s must lie in 0..47, not 48"),
        ((1, 0, 1 << 31), "b must lie in -2147483648..2147483647, not 2147483648"),
        ((0x15555, 0, 0), "m must have at most 3 signed digits, not 9 (87381)"),
    ],
)
def test_what_does_not_fit_is_refused(param, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        encode_param(DIGITS, *param)
