"""The demo as a user runs it."""

import json

import pytest
from click.testing import CliRunner

from hwshift import demo
from hwshift.cli import demo as command
from hwshift.demo import RUNS, run_demo
from hwshift.reports.plots import PLOTS


@pytest.mark.slow
def test_demo(tmp_path, rtl_builds, monkeypatch):
    monkeypatch.setenv("HWSHIFT_CACHE_DIR", str(rtl_builds))
    run_demo(tmp_path, images=4)
    document = json.loads((tmp_path / "demo.json").read_text())
    assert [(run["network"], run["config"]) for run in document["runs"]] == list(RUNS)
    for run in document["runs"]:
        assert run["mismatches"] == 0 and run["counters_equal"]
        assert run["images"] == 4 and run["values_compared"] > 500_000
        assert run["cycles_rtl"] == [run["cycles_model"]] * 4
        assert run["accuracy"]["rtl"]["images"] == 4
        assert run["accuracy"]["fixed"]["correct"] >= 0.9 * run["accuracy"]["fixed"]["images"]
        assert run["energy_uj"] == pytest.approx(sum(run["energy_by_part_uj"].values()))
    for name, config in RUNS:
        folder = tmp_path / f"{name}-on-{config}"
        assert (folder / "report.html").is_file()
        assert {path.stem for path in (folder / "plots").glob("*.svg")} == set(PLOTS) - {"styles"}
        assert (folder / "design" / "rtl" / "hwshift_core.v").is_file()


def test_json_is_what_the_file_holds(tmp_path, monkeypatch):
    """The command prints the document that the run has written, and nothing else."""
    text = json.dumps({"runs": []}, indent=1) + "\n"

    def run(out, **_):
        (out / "demo.json").write_text(text)
        return []

    monkeypatch.setattr(demo, "run_demo", run)
    done = CliRunner().invoke(command.command, ["--out", str(tmp_path), "--json"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, text, "")
