"""Synthesis of a whole accelerator, counted block by block."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hwshift.cache import cache_dir, key_of
from hwshift.config import AcceleratorConfig
from hwshift.progress import Progress, silent
from hwshift.rtl.export import TOP, without_contents
from hwshift.sim.rtl_run import core_file
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.targets import Target, target_named
from hwshift.synthesis.verilog import plain_names, unique_modules
from hwshift.synthesis.yosys import run_yosys, yosys_version
from hwshift.writing import replace_file

__all__ = ["BLOCKS", "Synthesis", "cells_of", "core_text", "count", "map_modules", "mapping", "synthesize"]

BLOCKS = {
    "control": f"{TOP}.control",
    "read master": f"{TOP}.engine.read_master",
    "write master": f"{TOP}.engine.write_master",
    "fetch": f"{TOP}.engine.fetch",
    "compute side": f"{TOP}.engine.compute",
    "loader": f"{TOP}.engine.loader",
    "storer": f"{TOP}.engine.storer",
    "pipeline": f"{TOP}.engine.datapath",
    "shift buffer": f"{TOP}.engine.datapath.shift_buffer",
    "weight buffer": f"{TOP}.engine.datapath.weights",
    "row taps": f"{TOP}.engine.datapath.row_taps",
    "array": f"{TOP}.engine.datapath.array",
    "accumulator": f"{TOP}.engine.datapath.accumulator",
    "epilogue": f"{TOP}.engine.datapath.epilogue",
}
"""The blocks that are counted apart, with their modules; a module that is named here is left out of those around it."""


@dataclass(frozen=True)
class Synthesis:
    """What synthesis says about a configuration.

    Members
    -------
    config : str
        Name of the configuration.
    target : str
    dsp : bool
        Whether multipliers could go into DSP blocks.
    blocks : dict of str to Resources
        By name of the block; ``rest`` is what lies between them.
    tools : str
        Versions.
    """

    config: str
    target: str
    dsp: bool
    blocks: dict[str, Resources]
    tools: str

    @property
    def total(self) -> Resources:
        """All blocks."""
        return sum(self.blocks.values(), Resources())

    def to_dict(self) -> dict:
        """For JSON."""
        return {
            "config": self.config,
            "target": self.target,
            "dsp": self.dsp,
            "tools": self.tools,
            "total": self.total.to_dict(),
            "blocks": {name: block.to_dict() for name, block in self.blocks.items()},
        }


def synthesize(
    config: AcceleratorConfig,
    target: str,
    *,
    dsp: bool = True,
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> Synthesis:
    """Map an accelerator to a device's cells.

    Every module is mapped by itself, and once where several are alike (a column of the array, a bank): cells are not
    merged over the borders of modules, and an array of any size takes as long as one of its columns.

    Parameters
    ----------
    config : AcceleratorConfig
    target : str
        One of `TARGETS`.
    dsp : bool
        False: multipliers of LUTs.
    build_dir : Path or None
        Folder that keeps Verilog and results; None: `hwshift.cache.cache_dir`.
    progress : callable

    Raises
    ------
    ConfigError
        For an unknown target.
    ToolError
        When Yosys is missing or fails.
    """
    chosen = target_named(target)
    folder = build_dir or cache_dir()
    progress("writing Verilog")
    text = core_text(config, folder)
    progress(f"mapping {config.name} to {chosen.device}")
    modules = map_modules(text, TOP, chosen, dsp=dsp, build_dir=folder)
    blocks = count(modules, TOP, chosen, BLOCKS)
    return Synthesis(config.name, target, dsp, blocks, f"Yosys {yosys_version()}")


def core_text(config: AcceleratorConfig, folder: Path) -> str:
    """Verilog of an accelerator to be mapped module by module; ``folder`` keeps the whole."""
    return unique_modules(plain_names(without_contents(core_file(config, folder).read_text())))


def map_modules(
    text: str, top: str, target: Target, *, dsp: bool = True, build_dir: Path | None = None
) -> dict[str, dict[str, int]]:
    """How many cells of each type every module has after mapping; results are kept in ``build_dir``."""
    commands = mapping(target, top, top, dsp=dsp)
    kept = (build_dir or cache_dir()) / "synthesis" / f"{key_of(text, commands, yosys_version())}.json"
    if kept.is_file():
        return json.loads(kept.read_text())
    modules = cells_of(text, commands)
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace_file(kept, json.dumps(modules, sort_keys=True).encode())
    return modules


def mapping(target: Target, top: str, apart: str, *, dsp: bool = True) -> str:
    """The commands for `cells_of`: each module whose name begins with ``apart`` is mapped by itself."""
    script = (target.script if dsp else target.script_without_dsp).format(top=top)
    defines = " ".join(f"-D {name}" for name in target.defines)
    return (
        f"read_verilog -icells {defines} design.v; setattr -mod -set keep_hierarchy 1 {apart}*; "
        f"{script}; tee -q -o stat.json stat -json"
    )


def cells_of(text: str, commands: str) -> dict[str, dict[str, int]]:
    """How many cells of each type every module of a Verilog text has after one run of Yosys, by `mapping`."""
    with tempfile.TemporaryDirectory(prefix="hwshift_synth_") as work:
        folder = Path(work)
        (folder / "design.v").write_text(text)
        run_yosys(commands, folder)
        stat = json.loads((folder / "stat.json").read_text())
    return {
        name.lstrip("\\"): {cell.lstrip("\\"): number for cell, number in found["num_cells_by_type"].items()}
        for name, found in stat["modules"].items()
    }


def count(
    modules: Mapping[str, Mapping[str, int]], top: str, target: Target, blocks: Mapping[str, str]
) -> dict[str, Resources]:
    """Resources of each block below ``top``, instances counted as often as they are there."""
    names = {module: name for name, module in blocks.items()}
    out = dict.fromkeys([*blocks, "rest"], Resources())

    def visit(module: str, block: str, times: int) -> None:
        for cell, number in modules[module].items():
            if cell in modules:
                visit(
                    cell, names.get(cell.partition("$")[0], block), times * number
                )  # some names have numbers
            else:
                out[block] += target.resources(cell, times * number)

    visit(top, names.get(top, "rest"), 1)
    return {name: taken for name, taken in out.items() if taken != Resources()}
