"""The picture of the curve over feature buffers."""

import xml.etree.ElementTree as ET

import pytest

from hwshift.benchmarks.picture import draw_curve
from hwshift.errors import DataError

CURVE = [
    {"network": "N", "feature_kib": 64, "refused": "too small"},
    {
        "network": "N",
        "feature_kib": 512,
        "refused": None,
        "dram_over_compulsory": 5.92,
        "cycles_over_bound": 1.07,
    },
    {
        "network": "N",
        "feature_kib": 1024,
        "refused": None,
        "dram_over_compulsory": 2.63,
        "cycles_over_bound": 1.02,
    },
]


def test_values_stand_at_their_points(tmp_path):
    draw_curve(CURVE, tmp_path / "a.svg")
    draw_curve(CURVE, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    items = [item for item in ET.parse(tmp_path / "a.svg").iter() if item.tag.endswith("text")]
    texts = {"".join(item.itertext()).strip() for item in items}
    assert {"5.92", "2.63", "1.07", "1.02", "512", "1024", "N"} <= texts and "64" not in texts


def test_refusals(tmp_path):
    with pytest.raises(DataError, match="a picture ends in .svg or .png, not '.pdf'$"):
        draw_curve(CURVE, tmp_path / "a.pdf")
    with pytest.raises(DataError, match="cannot be written: "):
        draw_curve(CURVE, tmp_path / "nowhere" / "a.png")
    assert not list(tmp_path.iterdir())
