"""``hwshift networks``."""

import json

import pytest

from hwshift.zoo import NETWORKS, names

KEYS = {
    "name", "family", "source", "input", "params", "params_without_bn", "weights", "macs", "legacy", "shifted",
    "peak_map", "paper",
}  # fmt: skip


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    import subprocess
    import sys
    from pathlib import Path

    program = Path(sys.executable).parent / "hwshift"
    done = subprocess.run(
        [program, "networks", "--json"], capture_output=True, text=True, cwd=tmp_path_factory.mktemp("list")
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_json(listed):
    rows = {row["name"]: row for row in listed["networks"]}
    assert list(rows) == [*NETWORKS, *names()]
    assert all(set(row) == KEYS for row in rows.values())
    row = rows["ShiftResNet20-1"]
    assert (row["params"], row["params_without_bn"], row["weights"]) == (34_906, 33_338, 33_328)
    assert (row["macs"], row["legacy"], row["shifted"], row["peak_map"]) == (
        5_948_032,
        12_255_232,
        82_944,
        32_768,
    )
    assert row["input"] == [3, 32, 32]
    assert row["paper"][0] == {
        "figure": "Wu et al., Shift, CVPR 2018, Table 5: params in M",
        "value": "0.03",
        "ours": 0.034906,
        "matches": "rounding",
        "note": "",
    }
    assert rows["ShuffleNet-1x-g3"]["legacy"] is None


def test_every_figure_is_there(listed):
    figures = [item for row in listed["networks"] for item in row["paper"]] + listed["not_buildable"]
    assert len(figures) == 132
    assert [item["name"] for item in listed["not_buildable"]] == ["ShuffleNet-0.5x-g4"]
    assert sum(item["matches"] in ("rounding", "truncation") for item in figures) == 104


def test_table(hwshift):
    done = hwshift("networks")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("ShiftNet-A "))
    assert line.split() == [
        "ShiftNet-A", "3x224x224", "4,187,720", "4,163,144", "4,162,144", "1,424,306,176", "-", "7,601,664",
        "1,605,632", "2", "of", "2",
    ]  # fmt: skip
    assert (
        "  ShuffleNet-0.5x-g4: Zhang et al., ShuffleNet, CVPR 2018, Table 2: macs in M: printed 38"
        in done.stdout
    )


def test_layers(hwshift):
    done = hwshift("networks", "shiftnet-c@64,classes=10")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "ShiftNet-C"
    row = next(line for line in lines if line.startswith("group2.module1.shift"))
    assert row.split()[:3] == ["group2.module1.shift", "SpatialShift", "64x16x16"]
    assert lines[-1].startswith("529,706 parameters (523,370 without BatchNorm's), ")


def test_layers_of_a_file_as_json(hwshift, tiny):
    done = hwshift("networks", tiny, "--json")
    found = json.loads(done.stdout)
    assert [row["layer"] for row in found["layers"]][:2] == ["input", "stem_conv"]
    assert found["params"] == sum(row["params"] for row in found["layers"])


def test_graph_and_intensity(hwshift):
    done = hwshift("networks", "ShuffleNet-1x-g3", "--graph", "net.svg", "--intensity", "intensity.svg")
    assert done.returncode == 0
    assert (hwshift.folder / "net.svg").read_text().startswith("<svg ")
    assert "<svg" in (hwshift.folder / "intensity.svg").read_text()
    assert hwshift("networks", "--intensity", "only.png").stdout == "wrote only.png\n"


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["ShftNet-A"], 4, "hwshift: error: ShftNet-A: no such network; did you mean ShiftNet-A"),
    (["ShuffleNet-1.5x-g2"], 4, "hwshift: error: ShuffleNet-1.5x-g2: cannot be built by scaling Table 1: "),
    (["ShiftNet-A", "--graph", "net.png"], 4, "hwshift: error: net.png: a graph is drawn into a file that ends in"),
    (["ShiftNet-A", "--graph", "no/net.svg"], 4, "hwshift: error: no/net.svg: cannot be written: "),
    (["--intensity", "a.txt"], 11, "hwshift: error: a.txt: a plot must end in .svg, .png, .pdf"),
])  # fmt: skip
def test_errors(hwshift, arguments, code, message):
    done = hwshift("networks", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_a_graph_needs_a_network(hwshift):
    done = hwshift("networks", "--graph", "net.svg")
    assert done.returncode == 2
    assert "--graph draws a network: name it" in done.stderr
