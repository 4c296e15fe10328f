"""Tables on terminals of any width."""

import re

import pytest

from hwshift.cli import _tables
from hwshift.cli.networks import _short

TITLES = ("layer", "operation", "    largest", "SQNR\n dB", "what it is")
ROWS = [
    ("stem", "conv", "   1,234,567", " 12.5", "a text of several words"),
    ("stage2.unit1", "depthwise", "       1.5e-05", "  7.25", "short"),
]


def printed(monkeypatch, capsys, width, rows=ROWS, titles=TITLES):
    monkeypatch.setattr(_tables, "_limit", lambda: width)
    _tables.print_table(rows, titles)
    return re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out).splitlines()


def test_one_line_a_row_in_a_pipe(monkeypatch, capsys):
    long = [("x" * 500, "y" * 300, 5)]
    assert printed(monkeypatch, capsys, None, long, ("a", "b", "c"))[1:] == [f"{'x' * 500}  {'y' * 300}  5"]


def test_blanks_go_first(monkeypatch, capsys):
    assert printed(monkeypatch, capsys, 63) == [
        "                                 SQNR",
        "layer        operation   largest   dB what it is",
        "stem         conv      1,234,567 12.5 a text of several words",
        "stage2.unit1 depthwise   1.5e-05 7.25 short",
    ]


def test_then_texts_are_broken(monkeypatch, capsys):
    lines = printed(monkeypatch, capsys, 55)
    assert lines[2:] == [
        "stem         conv      1,234,567 12.5 a text of several",
        "                                      words",
        "stage2.unit1 depthwise   1.5e-05 7.25 short",
    ]


def test_then_columns_follow_below(monkeypatch, capsys):
    assert printed(monkeypatch, capsys, 34) == [
        "layer        operation   largest",
        "stem         conv      1,234,567",
        "stage2.unit1 depthwise   1.5e-05",
        "",
        "             SQNR",
        "layer          dB what it is",
        "stem         12.5 a text of",
        "                  several words",
        "stage2.unit1 7.25 short",
    ]


@pytest.mark.parametrize("width", [1, 5, 20, 40, 80])
def test_no_number_is_ever_broken(monkeypatch, capsys, width):
    lines = printed(monkeypatch, capsys, width)
    for number in ("1,234,567", "1.5e-05", "12.5", "7.25"):
        assert sum(number in line.split() for line in lines) == 1


def test_fits(monkeypatch):
    monkeypatch.setattr(_tables, "_limit", lambda: 61)
    assert _tables.fits(ROWS, TITLES)
    monkeypatch.setattr(_tables, "_limit", lambda: 60)
    assert not _tables.fits(ROWS, TITLES)
    monkeypatch.setattr(_tables, "_limit", lambda: None)
    assert _tables.fits(ROWS, TITLES)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00K"), (9_994, "9.99K"), (9_996, "10.0K"), (99_960, "100K"),
     (999_499, "999K"), (999_500, "1.00M"), (1_424_306_176, "1.42G"), (None, None), ("2 of 2", "2 of 2")],
)  # fmt: skip
def test_short_numbers(value, text):
    assert _short(value) == text
