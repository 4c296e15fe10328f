"""Tests of ``hwshift evaluate`` and of the options for images; figures are tested with `hwshift.evaluation`."""

import json
import re

import click
import numpy as np
import pytest

from hwshift.cli import main
from hwshift.cli._options import DataOptions, bar, data_options
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.network.serialize import save

# Class k is right where the image's only bright pixel is pixel k; powers of two keep that.
WEIGHT = np.eye(6) * 0.75 + 0.1
LABELS = [0, 1, 2, 3, 4, 5, 0, 0]
CORRECT = 6


@pytest.fixture
def files(tmp_path):
    """A network of six classes that gets six of eight images right, and the images."""
    nodes = (Node("input", ops.Input(1, 2, 3)), Node("classifier", ops.Linear(WEIGHT), ("input",)))
    save(Network("spots", nodes, "classifier"), tmp_path / "net.hwnet")
    images = np.zeros((8, 2, 3), np.uint8)
    for image, place in zip(images.reshape(8, 6), [0, 1, 2, 3, 4, 5, 1, 5], strict=True):
        image[place] = 255
    np.savez(tmp_path / "spots.npz", images=images, labels=LABELS)
    return tmp_path / "net.hwnet", tmp_path / "spots.npz"


def run(capsys, *arguments):
    code = main([str(word) for word in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_json(files, capsys):
    net, images = files
    code, out, err = run(capsys, "evaluate", net, "--data", images, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["images"] == 8 and result["classes"] == 6 and result["labelled"] is True
    assert [item["model"] for item in result["scores"]] == ["float", "fixed", "pow2"]
    for item in result["scores"]:
        assert item["correct"] == CORRECT and item["top1"] == CORRECT / 8
        # Ties of all dark pixels go to the lower class: the wrong images' label 0 comes second.
        assert item["correct5"] == 8
    assert [item["agreeing"] for item in result["scores"]] == [None, 8, 8]


def test_table(files, capsys):
    net, images = files
    code, out, _ = run(capsys, "evaluate", net, "--data", images)
    lines = out.splitlines()
    assert code == 0 and lines[0] == f"spots: 8 images ({images}, array images)"
    titles = "model top-1 % top-5 % as float SQNR dB array, weights x maps, guard"
    assert lines[1].split() == titles.split()
    assert lines[2].split() == ["float", "75.00", "100.00", "-", "-", "float64"]
    assert lines[3].split()[:4] == ["fixed", "75.00", "100.00", "100.00"]
    assert re.fullmatch(r"peak memory of the process: [1-9][\d,]* MiB", lines[-1])
    assert run(capsys, "evaluate", net, "--data", images, "--quiet")[1] == ""


def test_a_configuration_and_a_quantized_network(files, capsys, tmp_path):
    net, images = files
    _, out, _ = run(capsys, "evaluate", net, "--data", images, "--config", "8x8", "--json")
    assert [item["model"] for item in json.loads(out)["scores"]] == ["float", "8x8"]
    from hwshift.network.serialize import load

    save(quantize(load(net)), tmp_path / "rounded.hwnet")
    _, out, _ = run(capsys, "evaluate", tmp_path / "rounded.hwnet", "--data", images, "--json")
    assert [(item["model"], item["correct"]) for item in json.loads(out)["scores"]] == [("pow2", CORRECT)]


def test_noise_is_called_noise(files, capsys):
    code, out, _ = run(capsys, "evaluate", files[0], "--seed", "5")
    assert code == 0 and out.splitlines()[0] == "spots: 100 images (seeded noise, seed 5)"
    assert "top-1" not in out and "as float" in out and "Errors of the outputs" in out
    _, out, _ = run(capsys, "evaluate", files[0], "--images", "3", "--json")
    assert json.loads(out)["images"] == 3


def test_what_cannot_run_is_told(capsys, tmp_path):
    nodes = (
        Node("input", ops.Input(1, 1, 2)),
        Node("classifier", ops.Linear(np.array([[1.0, 5e4]])), ("input",)),
    )
    save(Network("large", nodes, "classifier"), tmp_path / "large.hwnet")
    code, out, _ = run(capsys, "evaluate", tmp_path / "large.hwnet")
    assert code == 0 and "cannot run" in out
    assert "\nfixed: classifier: weight: value 50000.0 is outside Q16.16" in out


def test_every_combination_is_a_row(files, capsys):
    net, images = files
    arguments = ("evaluate", net, "--data", images, "--formats", "Q16.16,Q4.4", "--guards", "0,exact")
    code, out, err = run(capsys, *arguments, "--weight-formats", "Q2.6,pow2[-15,0],-3..0")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    names = [line[: line.index("  ")] for line in lines[3:15]]
    assert names == [f"{weights} {act} {guard}" for weights in ("fixed", "pow2[-15,0]", "pow2[-3,0]")
                     for act in ("Q16.16", "Q4.4") for guard in ("G=0", "exact")]  # fmt: skip
    assert lines[16] == "Errors of the outputs against float"
    assert max(map(len, lines[1:])) <= 100


def test_the_errors(files, capsys):
    """Bright pixels are 1: weights 0.85 and 0.1 become 0.875 and 0.125 in Q2.4, 1 and 1/8 as powers."""
    net, images = files
    arguments = ("evaluate", net, "--data", images, "--formats", "Q4.4", "--weight-formats", "Q2.4,-15..0")
    lines = run(capsys, *arguments)[1].splitlines()
    start = lines.index("Errors of the outputs against float")
    assert [line.split() for line in lines[start + 3 : -1]] == [
        ["fixed", "0.025", "0.025", "0.4", "0.4", "0.0625"],
        ["pow2", "0.15", "0.0458", "2.4", "0.733", "0.0625"],  # (0.15 + 5 * 0.025) / 6
    ]


def test_the_layers(files, capsys):
    net, images = files
    code, out, err = run(capsys, "evaluate", net, "--data", images, "--formats", "Q1.7", "--layers")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    start = lines.index("Layers of pow2 (shift_add pow2[-15,0] x Q1.7, exact)")
    # one bright pixel of six is 1, which saturates; 0.85 becomes 127/128 in the format and as a power
    assert lines[start + 3].split() == ["input", "input", "1", "0.0", "42.1", "1", "8", "16.67"]
    assert lines[start + 4].split()[:4] == ["classifier", "linear", "0.85", "0.2"]
    assert lines[start + 4].split()[5:] == ["18.2", "0", "0.00"]  # 127/128 - 0.85 in units of 1/128
    assert max(map(len, lines[1:])) <= 100
    result = json.loads(run(capsys, "evaluate", net, "--data", images, "--layers", "--json")[1])
    assert list(result["layers"]) == ["fixed", "pow2"]
    assert result["layers"]["pow2"][1]["saturated"] == 0
    assert run(capsys, "evaluate", net, "--layers", "--quiet")[:2] == (0, "")


def test_ratios_of_layers_beside_each_other(files, capsys):
    """The input's, of 1 in 6: exact in Q4.4 and 20 log10(128) = 42.1 dB in Q1.7, where it saturates."""
    net, images = files
    arguments = ("evaluate", net, "--data", images, "--layers", "--weight-formats", "-15..0")
    lines = run(capsys, *arguments, "--formats", "Q4.4,Q1.7")[1].splitlines()
    start = lines.index("SQNR of the layers against float, dB")
    assert [line.split() for line in lines[start + 1 : start + 4]] == [
        ["pow2", "pow2"], ["layer", "operation", "Q4.4", "Q1.7"], ["input", "input", "exact", "42.1"]
    ]  # fmt: skip
    many = run(capsys, *arguments, "--formats", ",".join(f"Q4.{n}" for n in range(4, 12)))[1]
    assert "SQNR of the layers" not in many and many.count("Layers of pow2") == 8


def test_layers_of_a_quantized_network(files, capsys, tmp_path):
    rounded = tmp_path / "rounded.hwnet"
    assert run(capsys, "quantize", files[0], "--weights", "pow2", "--out", rounded)[0] == 0
    code, out, _ = run(capsys, "evaluate", rounded, "--data", files[1], "--layers")
    assert code == 0 and "SQNR" not in out
    assert out.splitlines()[-1].split() == ["classifier", "conv", "1", "15.0", "0", "0.00"]


@pytest.mark.parametrize(("arguments", "code", "text"), [
    (["--formats", "8"], 3, "a format is written Qm.n, for example Q16.16, not '8'"),
    (["--guards", "16", "--weight-formats", "-15..0"], 3, "guard must lie in 0..15 for pow2[-15,0], not 16"),
    (["--guards", "few"], 3, "guard bits are a number or exact, not 'few'"),
    (["--weight-formats", "Q2.6,"], 3, "a weight format is written Qm.n, or -15..0 for powers of two, not ''"),
])  # fmt: skip
def test_formats_that_cannot_be(files, capsys, arguments, code, text):
    assert run(capsys, "evaluate", files[0], *arguments) == (code, "", f"hwshift: error: {text}\n")


def test_formats_beside_a_configuration(files, capsys):
    code, _, err = run(capsys, "evaluate", files[0], "--config", "8x8", "--formats", "Q8.8")
    assert code == 2 and "--config has formats and guard bits of its own: name either" in err


@pytest.mark.parametrize("name", ["absent.npz", "broken.npz", "labels.npz", "empty"])
def test_errors_are_one_line(files, capsys, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    np.savez(tmp_path / "labels.npz", images=np.zeros((1, 2, 3), np.uint8), labels=[6])
    code, out, err = run(capsys, "evaluate", files[0], "--data", tmp_path / name)
    assert (code, out) == (11, "")
    assert err.startswith(f"hwshift: error: {tmp_path / name}: ") and err.count("\n") == 1


# -- options -----------------------------------------------------------------------------------------------


def options_of(*words, limit=None, **more):
    """What a command gets."""
    got = []

    @click.command()
    @data_options(limit=limit, **more)
    def command(data):
        got.append(data)

    command.main([str(word) for word in words], standalone_mode=False)
    return got[0]


def test_options():
    assert options_of() == DataOptions()
    assert options_of(limit=3) == DataOptions(limit=3)
    words = [
        "--data",
        "d",
        "--split",
        "train",
        "--mean",
        "0.5,0.25,0",
        "--std",
        "2",
        "--size",
        "24x32",
        "--limit",
        "7",
    ]
    options = options_of(*words)
    assert options == DataOptions("d", "train", (0.5, 0.25, 0.0), (2.0,), (24, 32), 7)
    assert options_of(*options.words()) == options
    assert options_of("--data", "d", "--size", "256").size == 256
    assert options_of("--images", "4") == DataOptions(limit=4)


@pytest.mark.parametrize(("words", "text"), [
    (["--data", "d", "--mean", "a"], "'a' is not a number, or numbers with commas between them"),
    (["--data", "d", "--size", "0"], "'0' is neither a length such as 256 nor HEIGHTxWIDTH"),
    (["--data", "d", "--size", "1x2x3"], "'1x2x3' is neither a length such as 256 nor HEIGHTxWIDTH"),
    (["--data", "d", "--split", "val"], "'val' is not one of 'train', 'test'"),
    (["--limit", "0"], "0 is not in the range x>=1"),
    (["--size", "8"], "--size is of images: name them with --data"),
    (["--mean", "0"], "--mean is of images: name them with --data"),
])  # fmt: skip
def test_options_that_are_wrong(words, text):
    with pytest.raises(click.UsageError) as error:
        options_of(*words)
    assert text in error.value.format_message()


def test_a_command_without_noise_needs_images_for_a_limit():
    assert options_of(noise=0, limit=5) == DataOptions(limit=5, noise=0)
    with pytest.raises(click.UsageError, match="^--limit is of images: name them with --data$"):
        options_of("--images", "3", noise=0)


def test_a_command_for_one_image_has_no_limit():
    assert options_of("--data", "d", limit=1, several=False) == DataOptions("d", limit=1)
    with pytest.raises(click.NoSuchOption):
        options_of("--limit", "2", limit=1, several=False)


def test_nothing_to_compare_with_is_said(files, capsys, tmp_path):
    rounded = tmp_path / "rounded.hwnet"
    assert run(capsys, "quantize", files[0], "--weights", "pow2", "--out", rounded)[0] == 0
    code, out, _ = run(capsys, "evaluate", rounded, "--images", "2")
    assert code == 0
    *_, message, memory = out.splitlines()
    assert message.startswith("Nothing to compare with: give labelled images, or the float network")
    assert re.fullmatch(r"peak memory of the process: [1-9][\d,]* MiB", memory)


@pytest.mark.parametrize("command", ["simulate", "verify", "generate", "report"])
def test_every_command_takes_images(files, capsys, tmp_path, monkeypatch, rtl_builds, command):
    monkeypatch.setenv("HWSHIFT_CACHE_DIR", str(rtl_builds))
    net, images = files
    more = {
        "simulate": ["--json"],
        "verify": ["--simulator", "none", "--json"],
        "generate": ["--out", tmp_path / "out", "--json"],
        "report": ["--out", tmp_path / "out.json", "--json"],
    }
    code, out, err = run(
        capsys,
        command,
        net,
        "--config",
        "4x4",
        "--data",
        images,
        "--mean",
        "0.5",
        *([] if command == "simulate" else ["--limit", "2"]),
        *more[command],
    )
    assert (code, err) == (0, "")
    expected = f"{images}, array images, evenly chosen from 8 images"
    if command == "report":
        report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
        assert report["accuracy"] == {"images": expected, "top-1": "100.00%", "top-5": "100.00%"}
        assert report["command"].endswith(f"--data {images} --mean 0.5 --limit 2")
    else:
        assert json.loads(out)["input"] == expected


def test_the_bar_is_for_terminals(capsys):
    with bar(quiet=False) as advance:
        advance("work", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_the_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with bar(quiet=False) as advance:
        advance("work", 1, 2)
        advance("work", 2, 2)
    assert "work" in capsys.readouterr().err
