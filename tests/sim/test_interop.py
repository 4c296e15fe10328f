"""The accelerator between an AXI4-Lite master and an AXI memory that were written elsewhere: cocotbext-axi's."""

import json
from pathlib import Path

import pytest

from hwshift.config import PRESETS
from hwshift.program.counters import Cause
from hwshift.program.expected import launch_of
from hwshift.program.registers import REGISTERS
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.rtl_run import ENABLE_ALL, READS, VERILOG, core_file
from hwshift.sim.runner import run_cocotb
from hwshift.timing import timing

from .cases import make_case, small_csc

HERE = Path(__file__).parent
CHECKERS = tuple(VERILOG / f"{name}.v" for name in ("axi_checker", "axi_lite_checker"))
DONE = 2


@pytest.mark.parametrize(("preset", "changes"), [
    pytest.param("4x4", {"feature_depth": 64}, marks=pytest.mark.slow),
    pytest.param("4x4-mac", {"feature_depth": 64, "bus_width": 32, "pixels": 2}, marks=pytest.mark.soak),
], ids=["4x4", "mac-bus32"])  # fmt: skip
def test_interop(preset, changes, rtl_builds, tmp_path) -> None:
    """All bits under back-pressure on all ten channels; what is counted without regard to time is as predicted."""
    config = PRESETS[preset].with_(**changes)
    densities = (0.0, 0.3, 0.8)
    cases = [make_case(small_csc(1 + index), config, seed=index) for index in range(len(densities))]
    results = _run(config, cases, densities, core_file(config, rtl_builds), rtl_builds, tmp_path)
    for index, (case, result) in enumerate(zip(cases, results, strict=True)):
        memory = (tmp_path / f"result_{index}.bin").read_bytes()[: len(case.image)]
        assert case.check_memory(memory) > 0
        assert result["irq"] == 0 and result["violations"] == 0
        values = result["registers"]
        counters = {name[6:-3].lower(): values[name] for name in READS if name.endswith("_LO")}
        assert values["STATUS"] == DONE
        assert sum(counters[cause.name.lower()] for cause in Cause) == counters["total"]
        expected = simulate_cycles(case.program)
        for name in ("fetch_beats", "load_beats", "store_beats", "read_bursts", "write_bursts", "steps"):
            assert counters[name] == expected[name], name


@pytest.mark.slow
def test_a_master_that_breaks_a_rule_is_noticed(rtl_builds, tmp_path) -> None:
    """A CACHE that allocates what is not modifiable: the checker counts it, the memory does not care."""
    config = PRESETS["4x4"].with_(feature_depth=64)
    text = core_file(config, rtl_builds).read_text()
    broken = text.replace("assign m_axi_arcache = 4'h3;", "assign m_axi_arcache = 4'h4;")
    assert broken != text
    (tmp_path / "core.v").write_text(broken)
    (result,) = _run(
        config, [make_case(small_csc(1), config, seed=1)], [0.0], tmp_path / "core.v", rtl_builds, tmp_path
    )
    assert result["violations"] > 0


def _run(config, cases, densities, core, rtl_builds, folder) -> list[dict]:
    size = 1 << max(len(case.image) - 1 for case in cases).bit_length()
    runs = []
    for index, (case, density) in enumerate(zip(cases, densities, strict=True)):
        (folder / f"memory_{index}.bin").write_bytes(case.image.tobytes())
        writes = launch_of(case.program).registers() | {"IRQ_ENABLE": ENABLE_ALL, "WATCHDOG": 5000}
        runs.append({"writes": writes, "pauses": density})
    registers = {item.name: item.offset for item in REGISTERS}
    job = {"size": size, "registers": registers, "reads": READS, "runs": runs}
    (folder / "job.json").write_text(json.dumps(job))
    run_cocotb(
        sources=[core, *CHECKERS, HERE / "tb_interop.v"],
        top="tb_interop", test_module="bench_interop", simulator="icarus", build_dir=rtl_builds,
        parameters={"ADDRESS_BITS": config.address_width, "DATA_BITS": config.bus_width,
                    "READ_BURSTS": timing(config).read_bursts, "WRITE_BURSTS": timing(config).write_bursts},
        plusargs=[f"+folder={folder}"], python_path=[HERE], seed=1,
    )  # fmt: skip
    return json.loads((folder / "results.json").read_text())
