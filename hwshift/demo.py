"""The main job end to end: trained networks on real images, from file to verified accelerator and report."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hwshift.cache import cache_dir
from hwshift.compiler import compile as compile_network
from hwshift.config import load_config
from hwshift.data import Dataset, Images, load_for
from hwshift.generation import generate
from hwshift.golden import run as run_golden
from hwshift.network.fixed import FixedNetwork
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network
from hwshift.program.image import Program
from hwshift.progress import Progress, silent
from hwshift.reports.html import write_html
from hwshift.reports.make import make_report
from hwshift.reports.plots import write_figures
from hwshift.resolve import load_network, prepare
from hwshift.sim.rtl_run import build_core
from hwshift.verification import VerifyReport, choose_simulator, verify_program

__all__ = ["IMAGES", "RUNS", "DemoResult", "run_demo"]

RUNS = (
    ("fashion-shiftnet", "8x8-mac"),
    ("fashion-shiftnet-pow2", "8x8"),
    ("fashion-shiftnet-pow2", "8x8-mac"),
)
"""Network and configuration: fixed-point weights on multipliers, powers of two on both kinds of PE."""

IMAGES = "fashion-test"
"""The images of the package."""

_LARGE = 1 << 20  # cycles: chooses the simulator for whole networks
_BATCH = 128


@dataclass(frozen=True)
class DemoResult:
    """One network on one configuration.

    Members
    -------
    network, config : str
    images : int
        Run through the RTL.
    values_compared, mismatches : int
        Activations of every layer that reaches memory, in RTL and functional simulator, against the golden model.
    cycles_rtl : list of int
        Per image.
    cycles_model : int
        What the cycle model predicts for each.
    counters_equal : bool
        Whether every counter of every run was predicted.
    accuracy : dict of str to dict
        ``float`` and ``fixed`` on all images of the package, ``rtl`` on the images run: ``correct`` of ``images``.
    cycles_deployed : int
        Per image when only the output is stored: maps stay on the chip.
    energy_uj : float
        Of such an image; by unit costs of an ASIC process.
    energy_by_part_uj : dict of str to float
    files : dict of str to str
        Where report, plots, Verilog and bench are.
    """

    network: str
    config: str
    images: int
    values_compared: int
    mismatches: int
    cycles_rtl: list[int]
    cycles_model: int
    counters_equal: bool
    accuracy: dict[str, dict[str, int]]
    cycles_deployed: int
    energy_uj: float
    energy_by_part_uj: dict[str, float]
    files: dict[str, str]


@dataclass(frozen=True)
class _Job:
    """A run, prepared."""

    source: Network
    network: FixedNetwork
    program: Program
    data: Dataset

    @property
    def codes(self) -> np.ndarray:
        return Images.of(self.data, self.network.act).codes


def run_demo(
    out: Path, *, images: int = 4, simulator: str = "auto", progress: Progress = silent
) -> list[DemoResult]:
    """Run all of `RUNS` and write Verilog, reports and ``demo.json`` below ``out``.

    Parameters
    ----------
    out : Path
    images : int
        Images per run that go through the RTL.
    simulator : str
        As for `hwshift.verification.verify_program`.
    progress : callable
        Is told what is being done.
    """
    out.mkdir(parents=True, exist_ok=True)
    jobs = [_prepare(network, config) for network, config in RUNS]
    simulator = choose_simulator(jobs[0].program.config, _LARGE) if simulator == "auto" else simulator
    progress(f"building the accelerators for {simulator}, which takes a minute or two")
    _build(jobs, simulator)
    results = [_run(job, out, images, simulator, progress) for job in jobs]
    document = {
        "simulator": simulator,
        "data": jobs[0].data.origin,
        "runs": [asdict(item) for item in results],
    }
    (out / "demo.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return results


def _prepare(name: str, config_name: str) -> _Job:
    config = load_config(config_name)
    source = load_network(name)
    assert isinstance(source, Network)
    network = prepare(source, config)
    return _Job(source, network, compile_network(network, config, keep="all"), load_for(network, IMAGES))


def _build(jobs: list[_Job], simulator: str) -> None:
    """Build each configuration's simulation once, side by side."""
    beats: dict[str, int] = {}
    for job in jobs:
        config = job.program.config
        beats[config.name] = max(beats.get(config.name, 0), job.program.size // config.beat_bytes)
    with ThreadPoolExecutor() as pool:
        futures = [
            pool.submit(build_core, load_config(name), count, simulator=simulator, build_dir=cache_dir())
            for name, count in beats.items()
        ]
        for future in futures:
            future.result()


def _run(job: _Job, out: Path, count: int, simulator: str, progress: Progress) -> DemoResult:
    config = job.program.config
    label = f"{job.source.name} on {config.name}"

    def say(text: str) -> None:
        progress(f"{label}: {text}")

    codes = job.codes
    verified = verify_program(job.program, job.network, codes[:count], simulator=simulator, progress=say)
    say("accuracy of all images")
    accuracy = _accuracy(job, codes, verified)
    say("report and Verilog")
    folder = out / f"{job.source.name}-on-{config.name}"
    cycles, parts = _report(job, folder)
    design_folder = folder / "design"
    generate(job.network, config, design_folder, Images(codes[:1], job.data.origin), force=True)
    return DemoResult(
        network=job.source.name,
        config=config.name,
        images=verified.images,
        values_compared=verified.values_compared,
        mismatches=verified.mismatches,
        cycles_rtl=list(verified.cycles_rtl),
        cycles_model=verified.cycles_model,
        counters_equal=verified.counters_equal is True,
        accuracy=accuracy,
        cycles_deployed=cycles,
        energy_uj=sum(parts.values()),
        energy_by_part_uj=parts,
        files={
            "report": str(folder / "report.html"),
            "plots": str(folder / "plots"),
            "verilog": str(design_folder / "rtl" / "hwshift_core.v"),
            "bench": str(design_folder / "tb"),
        },
    )


def _accuracy(job: _Job, codes: np.ndarray, verified: VerifyReport) -> dict[str, dict[str, int]]:
    labels = job.data.labels
    assert labels is not None
    arithmetic = job.program.config.arithmetic
    batches = [slice(start, start + _BATCH) for start in range(0, len(codes), _BATCH)]
    scores = {
        "float": np.concatenate([evaluate_float(job.source, job.data.images[part]) for part in batches]),
        "fixed": np.concatenate([run_golden(job.network, arithmetic, codes[part]) for part in batches]),
    }
    classes = {kind: values.reshape(len(labels), -1).argmax(axis=1) for kind, values in scores.items()}
    classes["rtl"] = np.array(verified.classes_rtl)
    return {
        kind: {"correct": int((found == labels[: len(found)]).sum()), "images": len(found)}
        for kind, found in classes.items()
    }


def _report(job: _Job, folder: Path) -> tuple[int, dict[str, float]]:
    """Report and plots of the accelerator as it is deployed; returns its cycles and its energy by part in µJ."""
    report = make_report(job.network, job.program.config, styles=False, command="hwshift demo")
    folder.mkdir(exist_ok=True)
    write_html(report, folder / "report.html")
    write_figures(report, folder / "plots")
    energy = report.energy.by_part_pj
    return report.simulation.counters["total"], {name: value / 1e6 for name, value in energy.items()}
