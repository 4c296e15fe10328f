"""Plays inputs on a Verilog module, for the tests of memory and checker."""

import json
from pathlib import Path

from hwshift.sim import rtl_run
from hwshift.sim.runner import run_cocotb

HERE = Path(__file__).parent


def play(top, scenarios, outputs, *, simulator, builds, folder, clear, files=False, **parameters):
    """Play scenarios, each a list of inputs by cycle (0 if left out) and a dict of constant inputs.

    Returns a dict of outputs for every cycle of every scenario. With ``files`` the module loads image i at the
    beginning of scenario i and dumps it at the end.
    """
    job = {"scenarios": scenarios, "outputs": outputs, "clear": clear, "files": files}
    folder.mkdir(exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job))
    run_cocotb(
        sources=[rtl_run.VERILOG / f"{top}.v"],
        top=top,
        test_module="bench_play",
        simulator=simulator,
        build_dir=builds,
        parameters=parameters,
        plusargs=[f"+folder={folder}"],
        python_path=[HERE],
        seed=1,
    )
    recorded = json.loads((folder / "recorded.json").read_text())
    return [[dict(zip(outputs, values, strict=True)) for values in rows] for rows in recorded]
