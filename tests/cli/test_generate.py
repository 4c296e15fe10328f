"""Tests of ``hwshift generate``; what it writes is tested with `hwshift.generation`."""

import json


def test_a_design(hwshift, tiny):
    done = hwshift("generate", tiny, "--config", "4x4", "--out", "design", "--images", "2", "--seed", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "noise" in done.stdout
    assert done.stdout.endswith("test it: make -C design/tb\n")
    job = json.loads((hwshift.folder / "design" / "tb" / "vectors" / "job.json").read_text())
    assert len(job["runs"]) == 2
    assert "noise" in (hwshift.folder / "design" / "README.md").read_text()


def test_json_and_force(hwshift, tiny):
    (hwshift.folder / "design").mkdir()
    (hwshift.folder / "design" / "old").write_text("")
    done = hwshift("generate", tiny, "--config", "4x4", "--out", "design", "--force", "--json")
    facts = json.loads(done.stdout)
    assert facts["images"] == 1
    assert "rtl/hwshift_core.v" in facts["files"]
    assert not (hwshift.folder / "design" / "old").exists()
    done = hwshift("generate", tiny, "--config", "4x4", "--out", "design", "--force", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
