"""Place and route on an ECP5 with nextpnr, for the clock."""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwshift.cache import cache_dir, key_of
from hwshift.config import AcceleratorConfig
from hwshift.errors import ToolError
from hwshift.progress import Progress, silent
from hwshift.rtl.export import TOP, without_contents
from hwshift.sim.rtl_run import core_file
from hwshift.synthesis.targets import TARGETS
from hwshift.synthesis.verilog import chained_top, plain_names
from hwshift.synthesis.yosys import run_yosys
from hwshift.tools import program
from hwshift.writing import replace_file

__all__ = ["DEVICE", "Placement", "place", "place_core"]

DEVICE = ("--85k", "--speed", "6", "--package", "CABGA756")
"""An LFE5U-85 of the slowest speed grade."""
_WIRE_PS = 1500  # what abc takes for the wire behind a LUT
# slow paths weigh more than by default
_PLACER = ("--placer-heap-critexp", "4", "--placer-heap-timingweight", "30")


@dataclass(frozen=True)
class Placement:
    """One run of place and route.

    Members
    -------
    seed : int
    fmax_mhz : float
        The fastest clock at which every path between registers holds, wires included.
    path : tuple of str
        The cells of the slowest path, each with the time in ns that it takes with the wire before it.
    utilization : dict of str to int
        Cells used, by type.
    tools : str
        The programs that mapped and placed it, with their versions.
    """

    seed: int
    fmax_mhz: float
    path: tuple[str, ...]
    utilization: dict[str, int]
    tools: str

    def to_dict(self) -> dict:
        """For JSON."""
        return {"seed": self.seed, "fmax_mhz": round(self.fmax_mhz, 2), "path": list(self.path),
                "utilization": self.utilization, "tools": self.tools}  # fmt: skip


def place(
    text: str,
    module: str,
    clock: str,
    *,
    seeds: Sequence[int] = (1,),
    target_mhz: float = 100.0,
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> list[Placement]:
    """Place and route a module of a Verilog text, once for each seed.

    The module stands in a top of three pins, with a register at each of its ports (`chained_top`), since its ports are
    more than a package has pins; so paths from and to the pins are those to the registers beside them.

    Parameters
    ----------
    text, module, clock : str
        Verilog, the module's name and that of its clock.
    seeds : sequence of int
        Of nextpnr's random numbers.
    target_mhz : float
        What nextpnr works for.
    build_dir : Path or None
        Folder that keeps results, by text and versions; None: `hwshift.cache.cache_dir`.
    progress : callable

    Raises
    ------
    ToolError
        When a tool is missing or fails, for example because the design does not fit.
    """
    tools = f"{program('yosys')}, {program('nextpnr-ecp5')}"
    design, commands = text + chained_top(text, module, clock), _mapping()
    kept = (build_dir or cache_dir()) / "synthesis" / "placed"
    results = {
        seed: kept / f"{key_of(design, commands, tools, *DEVICE, *_PLACER, f'{target_mhz}, {seed}')}.json"
        for seed in seeds
    }
    missing = [seed for seed, path in results.items() if not path.is_file()]
    if missing:
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="hwshift_place_") as work:
            folder = Path(work)
            (folder / "design.v").write_text(design)
            progress("mapping to ECP5 as one")
            run_yosys(commands, folder)
            for seed in missing:
                progress(f"place and route, seed {seed}")
                found = _nextpnr(folder, seed, target_mhz) | {"tools": tools}
                replace_file(results[seed], json.dumps(found).encode())
    return [_placement(json.loads(path.read_text())) for path in results.values()]


def _placement(kept: dict[str, Any]) -> Placement:
    return Placement(**(kept | {"path": tuple(kept["path"])}))


def place_core(
    config: AcceleratorConfig,
    *,
    seeds: Sequence[int] = (1,),
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> list[Placement]:
    """Place and route a whole accelerator; see `place`. Verilog is kept in ``build_dir``."""
    text = plain_names(without_contents(core_file(config, build_dir or cache_dir()).read_text()))
    return place(text, TOP, "aclk", seeds=seeds, build_dir=build_dir, progress=progress)


def _mapping() -> str:
    """The commands that map ``design.v`` into ``design.json``: ``synth_ecp5``, but with longer wires behind a LUT.

    abc maps every path for what the slowest one takes. With its 300 ps that is a carry chain, and all others get
    eight LUTs; wires of a core of this size are nearer to 1500 ps.
    """
    defines = " ".join(f"-D {name}" for name in TARGETS["ecp5"].defines)
    script = TARGETS["ecp5"].script.format(top="chained")
    return "; ".join([
        f"read_verilog -icells {defines} design.v", f"{script} -run :map_luts",
        f"abc9 -W {_WIRE_PS}", "clean", f"{script} -run map_cells: -json design.json",
    ])  # fmt: skip


def _nextpnr(folder: Path, seed: int, target_mhz: float) -> dict[str, Any]:
    """The members of a `Placement` but for its tools."""
    command = [*program("nextpnr-ecp5").command, *DEVICE, *_PLACER, "--json", "design.json", "--report",
               "report.json", "--freq", str(target_mhz), "--seed", str(seed), "--timing-allow-fail", "--quiet",
               "--log", "pnr.log"]  # fmt: skip
    report, log = folder / "report.json", folder / "pnr.log"
    report.unlink(missing_ok=True)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if report.is_file():
        return _read_report(json.loads(report.read_text()), seed)
    told = log.read_text(errors="replace") if log.is_file() else done.stderr
    found = re.search(r"^ERROR: (.*)", told, re.MULTILINE)
    reason = found[1] if found else (told.strip().splitlines() or ["it says nothing"])[-1]
    raise ToolError(f"nextpnr fails: {reason}", where="nextpnr-ecp5")


def _read_report(report: dict[str, Any], seed: int) -> dict[str, Any]:
    achieved = [clock["achieved"] for clock in report["fmax"].values()]
    slowest = max(
        (found for found in report["critical_paths"] if found["from"].startswith("posedge")
         and found["to"].startswith("posedge")),
        key=lambda found: sum(step["delay"] for step in found["path"]),
    )  # fmt: skip
    used = {name: cell["used"] for name, cell in report["utilization"].items() if cell["used"]}
    return {
        "seed": seed, "fmax_mhz": min(achieved), "path": _steps(slowest["path"]), "utilization": used,
    }  # fmt: skip


def _steps(path: list[dict]) -> list[str]:
    return [f"{step['type']} {step['delay']:.2f} {step['to']['cell']}" for step in path]
