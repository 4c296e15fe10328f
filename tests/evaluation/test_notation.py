"""Tests of how formats are written."""

import re

import pytest

from hwshift.errors import ConfigError
from hwshift.evaluation import parse_any_weight_format, parse_guard, parse_weight_format
from hwshift.golden.formats import Pow2Format, QFormat


@pytest.mark.parametrize(("text", "kind", "expected"), [
    ("Q2.14", "fixed", QFormat(2, 14)), ("-7..0", "pow2", Pow2Format(-7, 0)), ("-6,1", "pow2", Pow2Format(-6, 1)),
    ("pow2[-15,0]", "pow2", Pow2Format()), (" -15 .. 0 ", "pow2", Pow2Format()),
])  # fmt: skip
def test_weight_formats(text, kind, expected):
    assert parse_weight_format(text, kind) == expected


@pytest.mark.parametrize("text", ["Q16.16", "-15", "a..b", "", "-15..0..1"])
def test_other_weight_formats(text):
    expected = f"powers of two are written -15..0 (smallest..largest), not {text!r}"
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        parse_weight_format(text, "pow2")


def test_the_kind_follows_from_the_text():
    assert parse_any_weight_format("q2.6") == QFormat(2, 6)
    assert parse_any_weight_format("-7..1") == parse_any_weight_format("pow2[-7,1]") == Pow2Format(-7, 1)
    with pytest.raises(
        ConfigError, match=r"^a weight format is written Qm.n, or -15..0 for powers of two, not"
    ):
        parse_any_weight_format("2.6")


def test_guard_bits():
    assert (parse_guard("0"), parse_guard(" Exact")) == (0, None)
    with pytest.raises(ConfigError, match="^guard bits are a number or exact, not 'all'$"):
        parse_guard("all")
