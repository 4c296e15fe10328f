"""``--hls`` of generate and verify, as installed; what it does is tested with `hwshift.hls`."""

import json

import pytest

from hwshift.cli import main


def test_generate_engine(hwshift, tiny):
    done = hwshift("generate", tiny, "--config", "4x4", "--hls", "engine", "--out", "cpp", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["style"] == "engine"
    assert "src/engine.cpp" in facts["files"]
    assert "estimate" not in facts


def test_generate_stream(hwshift, tiny):
    arguments = [
        "generate",
        tiny,
        "--config",
        "4x4",
        "--hls",
        "stream",
        "--target-ii",
        "2000",
        "--out",
        "cpp",
    ]
    done = hwshift(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "initiation interval (estimate)" in done.stdout
    assert done.stdout.endswith("test it: make -C cpp test\n")
    facts = json.loads(hwshift(*arguments, "--force", "--json").stdout)
    assert facts["estimate"]["target_ii"] == 2000
    assert facts["estimate"]["label"].startswith("estimates ")


def test_verify(hwshift, tiny):
    done = hwshift("verify", tiny, "--config", "4x4", "--hls", "engine", "--images", "2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["ok"], report["style"], report["images"], report["mismatches"]) == (True, "engine", 2, 0)
    hwshift("compile", tiny, "--config", "4x4", "--out", "a.hwprog", "--quiet")
    done = hwshift("verify", tiny, "--config", "4x4", "--hls", "engine", "--program", "a.hwprog")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert lines["mismatches"].strip() == "0"


def test_a_layer_without_a_form(hwshift):
    done = hwshift("generate", "ShiftNet-A", "--config", "16x16", "--hls", "stream", "--out", "cpp")
    assert done.returncode == 6
    assert "Concat has no streaming form" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (hwshift.folder / "cpp").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (["verify", "csc-small", "--config", "4x4", "--target-ii", "9"],
     "--target-ii is of streaming designs: add --hls stream"),
    (["generate", "csc-small", "--config", "4x4", "--out", "x", "--hls", "engine", "--target-ii", "9"],
     "--target-ii is of streaming designs: add --hls stream"),
    (["verify", "csc-small", "--config", "4x4", "--hls", "stream", "--program", "p"],
     "--program is for the engine: a streaming design runs no program"),
])  # fmt: skip
def test_what_does_not_go_together(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
