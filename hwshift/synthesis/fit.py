"""Fits the estimator to runs of synthesis: ``python -m hwshift.synthesis.fit [TARGET ...] [--page docs/synthesis.md]``.

Every module of a configuration is mapped once, ever (`hwshift.synthesis.modules`), so a fit after a change to one block
maps that block again and nothing else.
"""

import datetime
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from hwshift.cache import cache_dir
from hwshift.config import AcceleratorConfig
from hwshift.progress import Progress, Stage, silent
from hwshift.rtl.export import TOP
from hwshift.synthesis.estimate import QUANTITIES, area_of, fitted
from hwshift.synthesis.modules import map_each
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.run import BLOCKS, core_text, count
from hwshift.synthesis.targets import TARGETS, target_named
from hwshift.synthesis.terms import TERMS, terms_of
from hwshift.synthesis.training import HELD_OUT, TRAINING
from hwshift.synthesis.yosys import yosys_version
from hwshift.writing import replace_file

__all__ = [
    "DATA",
    "error_table",
    "errors",
    "fit",
    "fit_terms",
    "into_page",
    "least_squares",
    "sample",
    "weights_of",
]

_HASH = 0xA5A5A5A5  # stands for every configuration's own, so that what reads it is mapped once
DATA = Path(__file__).parent / "data"
"""Where the models are kept."""
Blocks = dict[str, Resources]


def sample(config: AcceleratorConfig, target: str, build_dir: Path | None = None) -> Blocks:
    """What `hwshift.synthesis.run.synthesize` finds for each block; modules that were mapped before are not again."""
    folder = build_dir or cache_dir()
    text = core_text(config, folder).replace(f"32'd{config.hash}", f"32'd{_HASH}")
    modules = map_each(text, TOP, target_named(target), folder / "synthesis" / "modules")
    return count(modules, TOP, target_named(target), BLOCKS)


def weights_of(samples: Sequence[tuple[AcceleratorConfig, Blocks]]) -> dict[str, dict[str, dict[str, float]]]:
    """Weights by block, quantity and term, none negative, that make the squares of the relative errors least."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    for block in TERMS:
        rows = [terms_of(block, config) for config, _ in samples]
        taken = [blocks.get(block, Resources()) for _, blocks in samples]
        out[block] = {
            quantity: fit_terms(rows, [getattr(item, quantity) for item in taken]) for quantity in QUANTITIES
        }
    return out


def fit_terms(rows: Sequence[Mapping[str, float]], wanted: Sequence[float]) -> dict[str, float]:
    """Weights of terms by name, those above zero, whose sums are relatively near to what is wanted for each row."""
    names = list(rows[0])
    table = np.array([[row[name] for name in names] for row in rows], dtype=float)
    found = least_squares(table, np.array(wanted, dtype=float))
    return {name: float(f"{value:.6g}") for name, value in zip(names, found, strict=True) if value > 0}


def least_squares(table: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Non-negative weights x that make ``table @ x`` relatively near to ``wanted`` (Lawson and Hanson)."""
    scale = 1 / np.maximum(wanted, max(1.0, 0.05 * wanted.max(initial=0)))
    a, b = table * scale[:, None], wanted * scale
    length = np.maximum(np.linalg.norm(a, axis=0), 1e-12)
    a = a / length
    x, passive = np.zeros(a.shape[1]), np.zeros(a.shape[1], dtype=bool)
    for _ in range(20 * a.shape[1]):
        gradient = np.where(passive, -np.inf, a.T @ (b - a @ x))
        if gradient.max() <= 1e-9:
            break
        passive[gradient.argmax()] = True
        while True:
            trial = np.zeros_like(x)
            trial[passive] = np.linalg.lstsq(a[:, passive], b, rcond=None)[0]
            if trial[passive].min() > 0:
                break
            low = passive & (trial <= 0)
            step = (x[low] / np.maximum(x[low] - trial[low], 1e-15)).min()
            x = x + step * (trial - x)
            passive &= x > 1e-12
            x[~passive] = 0
            if not passive.any():
                trial = x
                break
        x = trial
    return x / length


def fit(target: str, build_dir: Path | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Samples of both lists, and the weights that follow from the training list: the content of the data file."""
    samples: dict[str, dict[str, Blocks]] = {"training": {}, "held_out": {}}
    lists = {"training": TRAINING, "held_out": HELD_OUT}
    total = sum(map(len, lists.values()))
    for name, configs in lists.items():
        for config in configs:
            done = sum(map(len, samples.values()))
            progress(Stage(f"mapping to {target}: {config.name}", done, total))
            samples[name][config.name] = sample(config, target, build_dir)
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        "target": target,
        "device": TARGETS[target].device,
        "source": f"Yosys {yosys_version()}, {today}, {len(TRAINING)} configurations",
        "weights": weights_of([(config, samples["training"][config.name]) for config in TRAINING]),
        "samples": {
            name: {config: {block: taken.to_dict() for block, taken in blocks.items()}
                   for config, blocks in found.items()}
            for name, found in samples.items()
        },
    }  # fmt: skip


def errors(data: dict[str, Any], which: str = "held_out") -> list[tuple[str, str, float, float]]:
    """Configuration, quantity, synthesized, estimated: totals of every sample of a list."""
    configs = {config.name: config for config in (TRAINING if which == "training" else HELD_OUT)}
    out = []
    for name, blocks in data["samples"][which].items():
        made = sum((Resources(**block) for block in blocks.values()), Resources())
        told = sum(area_of(configs[name], data["target"], data["weights"]).values(), Resources())
        out += [(name, quantity, getattr(made, quantity), getattr(told, quantity))
                for quantity in ("lut", "ff", "carry", "bram", "dsp")]  # fmt: skip
    return out


def error_table(data: dict[str, Any]) -> str:
    """The errors on configurations that the fit has not seen, as a table in Markdown."""
    rows: dict[str, dict[str, tuple[float, float]]] = {}
    for name, quantity, made, estimated in errors(data):
        rows.setdefault(name, {})[quantity] = made, estimated
    told = (
        f"{data['device']}, fitted to {data['source']} ({len(TRAINING)} are listed), tested on {len(rows)} of "
        f"{len(HELD_OUT)} others; estimated over synthesized, minus 1:"
    )
    head = [told, "", "| configuration | LUT | | flip-flops | | carry cells | | block RAM | DSP |",
            "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    lines = []
    for name, found in rows.items():
        cells = [f"{found[q][0]:,.0f} | {_relative(*found[q]):+.1%}" for q in _MODELLED]
        exact = ["exact" if found[q][0] == found[q][1] else f"{found[q][1]:g} for {found[q][0]:g}"
                 for q in ("bram", "dsp")]  # fmt: skip
        lines.append(f"| {name} | {' | '.join([*cells, *exact])} |")
    sizes = {q: [abs(_relative(*found[q])) for found in rows.values()] for q in _MODELLED}
    last = [f"median {statistics.median(sizes[q]):.1%} | worst {max(sizes[q]):.1%}" for q in _MODELLED]
    return "\n".join([*head, *lines, f"| **size of the error** | {' | '.join(last)} | | |"]).replace(
        "%", " %"
    )


_MODELLED = ("lut", "ff", "carry")
_MARKS = "<!-- estimates: {name} -->", "<!-- end -->"


def _relative(made: float, told: float) -> float:
    return told / made - 1 if made else float(told != 0)


def into_page(page: Path, name: str, table: str) -> None:
    """Put a table between its marks on a page: of a target, or ``clock``."""
    begin, end = (mark.format(name=name) for mark in _MARKS)
    before, found, rest = page.read_text().partition(begin)
    if found:
        replace_file(page, (before + begin + "\n" + table + "\n" + end + rest.partition(end)[2]).encode())


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option(
    "--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Put the errors there, too."
)
def main(targets: tuple[str, ...], page: Path | None) -> None:
    """Map the configurations of both lists, fit, write the data files and print the errors."""
    for target in targets or fitted():
        data = fit(target, progress=lambda text: click.echo(text, err=True))
        old = json.loads((DATA / f"{target}.json").read_text()) if target in fitted() else {}
        data |= {"clock": old["clock"]} if "clock" in old else {}
        replace_file(DATA / f"{target}.json", (json.dumps(data, indent=1) + "\n").encode())
        click.echo(error_table(data))
        if page is not None:
            into_page(page, target, error_table(data))


if __name__ == "__main__":
    main()
