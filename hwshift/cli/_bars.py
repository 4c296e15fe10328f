"""Tables of ``hwshift bench bars``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.benchmarks.bars import Result

__all__ = ["show_bars"]


def show_bars(results: Sequence["Result"], curve: Sequence[dict]) -> None:
    """Networks, bars, and the curve over the feature buffer."""
    done = [result for result in results if result.refused is None]
    common.print_table([_network(result) for result in done], (
        "network", "setting", "cycles", "bound", "ratio", "busy %", "compute %", "total %", "DRAM bytes", "ratio",
        "tables %", "compile s", "model s"),
        heading="Fixed setting, batch 1: cycles over the bound, utilisation, memory traffic over compulsory",
    )  # fmt: skip
    click.echo()
    common.print_table(
        [row for result in done for row in _bars(result)],
        ("network", "setting", "figure", "bar", "value", "met", "missed by", "most lost to"),
        heading="Bars",
    )
    click.echo()
    keys = ("feature_kib", "total", "cycles_over_bound", "utilisation_total", "dram_over_compulsory")
    common.print_table(
        [[_number(row.get(key)) for key in keys] + [row["refused"] or ""] for row in curve],
        ("KiB", "cycles", "over bound", "utilisation", "DRAM over compulsory", ""),
        heading=f"Size of the feature buffer, {curve[0]['network']}" if curve else None,
    )
    refused = [(result.network, result.setting, result.refused) for result in results if result.refused]
    if refused:
        click.echo()
        common.print_table(refused, ("network", "setting", "refused"))


def _network(result: "Result") -> tuple[object, ...]:
    f = result.figures
    return (
        result.network,
        result.setting,
        f["total"],
        f["bound"],
        f"{f['cycles_over_bound']:.3f}",
        *(f"{100 * f[f'utilisation_{kind}']:.1f}" for kind in ("busy", "compute", "total")),
        f["dram_bytes"],
        f"{f['dram_over_compulsory']:.3f}",
        f"{100 * f['program_and_tables_share']:.1f}",
        f"{f['compile_seconds']:.1f}",
        f"{f['cycle_model_seconds']:.2f}",
    )


def _bars(result: "Result") -> list[tuple[object, ...]]:
    return [
        (
            result.network,
            result.setting,
            bar["figure"],
            bar["bar"],
            _number(bar["value"]),
            "yes" if bar["met"] else "no",
            "" if bar["met"] else _number(bar["missed_by"]),
            "" if bar["met"] else _why(result, bar["figure"]),
        )
        for bar in result.bars
    ]


def _why(result: "Result", figure: str) -> str:
    """The terms that eat most of what a bar misses: of the cycles, or of the compulsory bytes."""
    tables = ("scale and bias", "lane and k-tile tables", "instructions")
    if figure == "dram_over_compulsory":
        terms, whole = result.traffic, result.figures["compulsory_bytes"]
    elif figure == "program_and_tables_share":
        terms = {name: result.traffic[name] for name in tables}
        whole = result.figures["compulsory_bytes"]
    else:
        terms, whole = result.lost, result.figures["total"]
    worst = sorted(terms.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{name} {100 * value / whole:.1f} %" for name, value in worst)


def _number(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value
