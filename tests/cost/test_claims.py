"""Claims against plain arithmetic on the papers' figures, and the page against the command."""

import json
import re
from pathlib import Path

import pytest

from hwshift.cli import claims as cli_claims
from hwshift.cli import main
from hwshift.cost.claims import TOPICS, VERDICTS, Bench, check_claims
from hwshift.cost.claims.claim import three
from hwshift.cost.claims.page import render_claims
from hwshift.cost.claims.pictures import PICTURES, draw_pictures

PAGE = Path(__file__).parents[2] / "docs" / "claims.md"
QUICK = ("intensity", "roofline", "styles", "storage", "accesses", "ratios")


@pytest.fixture(scope="module")
def bench():
    return Bench()


@pytest.fixture(scope="module")
def found(bench):
    topics = tuple(topic for topic in TOPICS if topic.key in QUICK)
    return {topic.key: claims for topic, claims in check_claims(bench, topics)}


def claim(found, topic, key):
    return next(item for item in found[topic] if item.key == key)


def test_the_command_knows_every_topic():
    assert tuple(topic.key for topic in TOPICS) == cli_claims._TOPICS
    assert tuple(topic.key for topic in TOPICS if topic.slow) == cli_claims._SLOW
    assert set(PICTURES) <= set(cli_claims._TOPICS)


def test_equations_4_and_5(found):
    """256 channels in and out, 14 x 14 pixels, 3 x 3 kernels: written out."""
    pixels, m, k = 14 * 14, 256, 9
    standard = m * m * pixels * k / (pixels * 2 * m + k * m * m)
    depthwise = m * pixels * k / (pixels * 2 * m + k * m)
    figures = claim(found, "intensity", "Eq. 4").figures
    assert figures["convolution, formula"] == figures["convolution, counted"] == standard
    assert figures["depthwise, formula"] == depthwise
    assert figures["pointwise, counted"] == m * m * pixels / (pixels * 2 * m + m * m)
    # a depthwise tile of 16 x 16 weights is stored for 16 channels and one tap: 16 times the weights
    assert figures["depthwise, counted"] == pytest.approx(m * pixels * k / (pixels * 2 * m + 16 * k * m))
    assert claim(found, "intensity", "Eq. 4").verdict == "reproduced"
    assert claim(found, "intensity", "Eq. 5").verdict == "reproduced"


def test_roofline_by_hand(bench, found):
    """16 bytes a cycle each way, 256 multiplications a cycle."""
    figures = claim(found, "roofline", "I/O-bound").figures
    intensity = figures["depthwise, MACs per byte"]
    assert figures["depthwise, roof, MACs per cycle"] == pytest.approx(16 * intensity)
    assert figures["convolution, roof, MACs per cycle"] == 256
    for name, item in bench.layers.items():
        counters = item.simulation.counters
        assert figures[f"{name}, achieved, MACs per cycle"] == item.simulation.macs / counters["total"]
        assert item.roofline.read_bytes == 16 * (counters["load_beats"] + counters["fetch_beats"])


def test_styles(bench, found):
    """Multiplications of ShiftResNet20-6: 3 x 3 kernels in the second convolution of each block."""
    figures = claim(found, "styles", "shift for convolution").figures
    assert (
        figures["shift, fixed, MACs"] == figures["shift, pow2, MACs"] == 32_162_432
    )  # as published counters have it
    blocks = (
        [(16, 16, 1024)] * 3 + [(16, 32, 256)] + [(32, 32, 256)] * 2 + [(32, 64, 64)] + [(64, 64, 64)] * 2
    )
    second = sum(6 * out * out * pixels for _, out, pixels in blocks)
    assert figures["convolution, fixed, MACs"] == 32_162_432 + 8 * second
    maps = (
        [(6 * 16, 1024)] * 3 + [(6 * 32, 1024)] + [(6 * 32, 256)] * 2 + [(6 * 64, 256)] + [(6 * 64, 64)] * 2
    )
    assert figures["depthwise-separable, fixed, MACs"] == 32_162_432 + 9 * sum(a * b for a, b in maps)
    for item in bench.styles.values():
        parts = item.energy.by_part_pj
        assert sum(parts.values()) == pytest.approx(item.energy.total_pj)


def test_single_operations(found):
    accesses = claim(found, "accesses", "1000x").figures
    assert accesses["integer addition"] == pytest.approx(640 / 0.1)
    assert accesses["float addition"] == pytest.approx(640 / 0.9)
    assert accesses["integer multiplication"] == pytest.approx(640 / 3.1)
    assert accesses["float multiplication"] == pytest.approx(640 / 3.7)
    shifts = claim(found, "ratios", "shifts as atoms")
    assert "1.3 times an addition" in shifts.ours
    assert three((3.1 + 0.1) / (0.13 + 0.1)) == "13.9" and "13.9 times" in shifts.why
    assert (
        claim(found, "ratios", "9.7x power").verdict == "in part"
    )  # 3.1 / 0.13 at 32 bits, 0.2 / 0.024 at 8
    assert claim(found, "ratios", "4.32x transistors").verdict == "not checkable"
    weights = claim(found, "storage", "5-bit weights").figures
    assert weights["weights, times"] == pytest.approx(32 / 5)
    assert 1 < weights["image, times"] < 32 / 5


def test_every_claim_says_what_it_rests_on(found):
    for claims in found.values():
        for item in claims:
            assert item.verdict in VERDICTS
            assert item.claim and item.ours and item.why and item.paper
            assert item.figures or item.verdict == "not checkable"


def quoted():
    """The page's lines between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index("| claim |") :]


AGAIN = "make the page again: hwshift claims --all --markdown --figures docs/claims"
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def near(line, other):
    """Whether two lines differ in numbers alone, and in those by a twentieth at most."""
    values = [[float(text.replace(",", "")) for text in NUMBER.findall(item)] for item in (line, other)]
    return NUMBER.sub("#", line) == NUMBER.sub("#", other) and values[0] == pytest.approx(values[1], rel=0.05)


def test_the_page_says_what_the_command_says(found):
    """Claims and verdicts of the quick topics are equal; figures may lag behind the compiler by a twentieth."""
    page = quoted().splitlines()
    for topic in TOPICS:
        if topic.key not in QUICK:
            continue
        lines = render_claims([(topic, found[topic.key])]).splitlines()
        rows = [line for line in lines if line.startswith("| ") and not line.startswith("| claim |")]
        paragraphs = [line for line in lines if line.startswith("**")]
        assert rows and paragraphs
        for line in (*rows, *paragraphs):
            assert any(near(line, other) for other in page), f"{line}: {AGAIN}"


@pytest.mark.slow
def test_the_whole_page(bench):
    """To the digit."""
    claims = list(check_claims(bench, TOPICS))
    assert render_claims(claims, "claims") == quoted(), AGAIN


def test_pictures_are_there():
    """The page shows those that the command draws."""
    names = re.findall(r"\(claims/(\w+)\.svg\)", quoted())
    assert names == ["intensity", *(name for name, *_ in PICTURES.values())]
    for name in names:
        assert (PAGE.parent / "claims" / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_draw(tmp_path, bench):
    drawn = draw_pictures(tmp_path / "new", bench, ("intensity", "roofline", "styles", "ratios"))
    assert [path.name for path in drawn] == ["intensity.svg", "roofline.svg", "energy.svg"]
    text = drawn[2].read_text(encoding="utf-8")
    assert "shift, pow2" in text and "external memory" in text and "µJ" in text


def test_command(capsys, tmp_path):
    assert main(["claims", "ratios", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [item["topic"] for item in data["claims"]] == ["ratios"] * 5
    assert main(["claims", "ratios"]) == 0
    assert capsys.readouterr().out.startswith("Multiplier against shifter\n")
    assert main(["claims", "ratios", "-q"]) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "file").write_text("")
    assert main(["claims", "ratios", "--figures", str(tmp_path / "file" / "x")]) == 11
    assert capsys.readouterr().err.startswith(f"hwshift: error: {tmp_path}/file/x: cannot be written: ")
