import pytest

from hwshift.reports.text import scaled, size


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "J", "0 J"),
        (16.35e-6, "J", "16.4 µJ"),
        (242e-6, "s", "242 µs"),
        (0.00101, "s", "1.01 ms"),
        (999.4, "", "999"),
        (2793472, "", "2.79 M"),
        (5e-15, "J", "0.005 pJ"),
        (3e12, "", "3000 G"),
    ],
)
def test_scaled(value, unit, text):
    assert scaled(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (64, "64 B"),
        (1024, "1.0 KiB"),
        (40960, "40.0 KiB"),
        (3 << 20, "3.0 MiB"),
        (5 << 40, "5,120.0 GiB"),
    ],
)
def test_size(value, text):
    assert size(value) == text
