"""Tests of ``hwshift report``."""

import json
import re

import pytest

from hwshift.cli import main
from hwshift.simulation import simulate

from ..seeds import generator


def test_page(tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", "csc-small", "--config", "4x4", "--out", str(out), "--clock", "150"]) == 0
    line = capsys.readouterr().out
    found = re.fullmatch(
        r"\S+: ([\d,]+) cycles, [\d.]+ µJ \(45nm\), [\d,]+ bytes of traffic for one image\n", line
    )
    text = out.read_text(encoding="utf-8")
    assert found and f"<b>{found[1]}</b>" in text
    assert "The same network on other hardware" in text
    again = f"hwshift report csc-small --config 4x4 --out {out} --costs 45nm --latency 16 --clock 150 --keep outputs"
    assert again in text


def test_json(tmp_path, capsys):
    out = tmp_path / "report.json"
    arguments = [
        "--config",
        "4x4-mac",
        "--out",
        str(out),
        "--json",
        "--quiet",
        "--latency",
        "40",
        "--keep",
        "all",
    ]
    assert main(["report", "csc-small", *arguments, "--shift", "moved"]) == 0
    assert capsys.readouterr().out == ""
    data = json.loads(out.read_text())
    assert data["config"]["name"] == "4x4-mac"
    assert data["simulation"]["read_latency"] == 40
    assert data["command"].endswith("--latency 40 --clock 200 --keep all --target ecp5 --json")
    assert sum(layer["moves"]["shifted_elements"] for layer in data["counts"]) > 0


def test_json_and_csv_on_standard_output(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "csc-small", "--config", "4x4", "--json", "--no-styles"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["styles"] == [] and data["network"] == "csc-0"
    assert data["command"].endswith("--keep outputs --no-styles --target ecp5 --json")
    assert main(["report", "csc-small", "--config", "4x4", "--csv", "--no-styles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("layer,operation,") and len(lines) == 1 + len(data["layers"])
    assert list(tmp_path.iterdir()) == []


def test_other_hardware(capsys):
    """Each style's cycles are those of a simulation of its own."""
    from hwshift.config import PRESETS
    from hwshift.resolve import load_network, prepare

    assert main(["report", "csc-small", "--config", "4x4-mac", "--json"]) == 0
    styles = {style["title"]: style for style in json.loads(capsys.readouterr().out)["styles"]}
    assert list(styles) == [
        "this design", "shift-add", "shifts moved", "convolutions, multipliers", "depthwise-separable, multipliers",
        "twice the side", "4 pixels per step",
    ]  # fmt: skip
    # 3x3 convolutions in the place of shifts and 1x1 convolutions take nine times their steps
    assert styles["convolutions, multipliers"]["cycles"] > 1.5 * styles["this design"]["cycles"]
    config = PRESETS["4x4-mac"].with_(rows=8, columns=8)
    network = prepare(load_network("csc-small"), config)
    assert styles["twice the side"]["cycles"] == simulate(network, config).counters["total"]
    assert styles["shifts moved"]["cycles"] > styles["this design"]["cycles"]
    assert styles["shift-add"]["array"] == "4 × 4, shift-add" and not styles["shift-add"]["refused"]


def test_the_streaming_design_beside_the_engine(tmp_path, capsys):
    """Estimated, and said to be; or why there is none."""
    page = tmp_path / "r.html"
    assert main(["report", "fashion-shiftnet-pow2", "--config", "8x8", "--out", str(page)]) == 0
    text = page.read_text()
    rows = re.search(r'id="stream-table".*?</table>', text, re.DOTALL)[0]
    assert "streaming C++, estimated" in rows and "no tool has measured them" in text
    capsys.readouterr()
    assert main(["report", "ShuffleNet-0.25x-g3@32", "--config", "16x16-mac", "--json"]) == 0
    why = json.loads(capsys.readouterr().out)["stream"]
    assert why.startswith("stage2.unit1.shuffle: Shuffle has no streaming form")


def test_a_style_that_does_not_fit_says_why(tmp_path, capsys):
    from hwshift.config import PRESETS
    from hwshift.network.serialize import save
    from hwshift.resolve import load_network, prepare

    save(prepare(load_network("csc-small"), PRESETS["4x4-mac"]), tmp_path / "fixed.hwnet")
    assert main(["report", str(tmp_path / "fixed.hwnet"), "--config", "4x4-mac", "--json"]) == 0
    styles = {style["title"]: style for style in json.loads(capsys.readouterr().out)["styles"]}
    assert styles["shift-add"]["cycles"] is None and "convert to pow2" in styles["shift-add"]["refused"]


def test_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [
        "--config",
        "4x4",
        "--no-styles",
        "--figures",
        "figures",
        "--format",
        "png",
        "--out",
        "r.csv",
    ]
    assert main(["report", "csc-small", *arguments]) == 0
    assert capsys.readouterr().out.startswith("r.csv: ")
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".png"}
    assert (tmp_path / "r.csv").read_text().startswith("layer,operation,")


def test_nothing_to_make(capsys):
    assert main(["report", "csc-small", "--config", "4x4"]) == 2
    assert "name the page with --out" in capsys.readouterr().err
    assert main(["report", "csc-small", "--config", "4x4", "--json", "--csv"]) == 2


def test_same_cycles_as_simulate(tmp_path):
    from hwshift.config import PRESETS
    from hwshift.resolve import load_network, prepare

    out = tmp_path / "report.json"
    assert main(["report", "csc-small", "--config", "4x4", "--out", str(out), "--json"]) == 0
    config = PRESETS["4x4"]
    expected = simulate(prepare(load_network("csc-small"), config), config)
    assert json.loads(out.read_text())["simulation"]["counters"] == expected.counters


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--costs", "7nm"],
            11,
            "no table of unit costs or file named '7nm'; tables: 45nm, shiftaddnas, fpga, shiftnas",
        ),
        (["--out", "missing/x.html"], 11, "missing/x.html: cannot be written: No such file or directory"),
        (["--out", "."], 11, ".: cannot be written: Is a directory"),
        (["--figures", "missing/x"], 11, "missing/x: cannot be written: No such file or directory"),
    ],
)
def test_errors(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "csc-small", "--config", "4x4", "--out", "x.html", *arguments]) == code
    assert capsys.readouterr().err == f"hwshift: error: {message}\n"


def test_accuracy(tmp_path):
    import numpy as np

    from hwshift.config import PRESETS
    from hwshift.golden import run
    from hwshift.resolve import load_network, prepare

    config = PRESETS["4x4"]
    network = prepare(load_network("csc-small"), config)
    images = generator(2).uniform(-1, 1, (4, *network.input.shape)).astype(np.float32)
    codes = config.act.floor(images).astype(np.int32)
    labels = run(network, config.arithmetic, codes).reshape(4, -1).argmax(axis=1)
    labels[3] = (labels[3] + 1) % network.output.shape[0]
    np.savez(tmp_path / "images.npz", images=images, labels=labels)
    out = tmp_path / "report.json"
    arguments = ["--config", "4x4", "--out", str(out), "--json", "--data", str(tmp_path / "images.npz")]
    assert main(["report", "csc-small", *arguments]) == 0
    data = json.loads(out.read_text())
    assert data["accuracy"]["top-1"] == "75.00%"
    assert [layer["name"] for layer in data["saturation"]] == [layer.name for layer in network.layers]
    assert all(layer["saturated"] == 0 for layer in data["saturation"])


def test_accuracy_needs_labels(tmp_path, capsys):
    import numpy as np

    path = tmp_path / "images.npy"
    np.save(path, np.zeros((2, 3, 12, 12), np.float32))
    arguments = ["--config", "4x4", "--out", str(tmp_path / "x.html"), "--data", str(path)]
    assert main(["report", "csc-small", *arguments]) == 11
    assert (
        "there is nothing to tell an accuracy from: labels and classes are needed" in capsys.readouterr().err
    )
