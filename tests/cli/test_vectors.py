"""Tests of ``hwshift vectors``; what it writes is tested with `hwshift.vectors`."""

import json


def test_all_forms(hwshift, tiny):
    done = hwshift("vectors", tiny, "--config", "4x4", "--out", "v", "--images", "2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["images"] == 2
    assert {"vectors.json", "program/instructions.h", "image_1/001_stem.hex"} <= set(facts["files"])


def test_one_form(hwshift, tiny):
    done = hwshift("vectors", tiny, "--config", "4x4", "--out", "v", "--form", "npy")
    assert (done.returncode, done.stderr) == (0, "")
    assert "maps per image" in done.stdout
    assert not list((hwshift.folder / "v").rglob("*.hex"))
    done = hwshift("vectors", tiny, "--config", "4x4", "--out", "v")
    assert done.returncode == 7
    assert done.stderr.endswith("v: the folder is not empty: name another, or replace it with --force\n")
