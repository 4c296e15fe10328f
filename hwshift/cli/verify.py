"""``hwshift verify``: do golden model, functional simulator, RTL and cycle model agree?"""

from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, data_options
from hwshift.errors import MismatchError

if TYPE_CHECKING:
    from hwshift.hls.verification import HlsReport
    from hwshift.verification import VerifyReport

__all__ = ["command"]


@click.command("verify")
@common.network_options
@click.option("--program", "file", metavar="FILE", help="Run this program file instead of compiling NET.")
@data_options(limit=1)
@click.option(
    "--simulator",
    type=click.Choice(["auto", "icarus", "verilator", "none"]),
    default="auto",
    show_default=True,
    help="For the RTL; none leaves it out.",
)
@common.stalls_option
@common.seed_option
@common.keep_option("all")
@common.hls_option
@common.target_option
@common.json_option
@common.quiet_option
def command(
    net: str,
    config: str,
    weights: str | None,
    shift: str | None,
    file: str | None,
    data: DataOptions,
    simulator: str,
    stalls: float,
    seed: int,
    keep: Literal["all", "outputs"],
    hls: Literal["engine", "stream"] | None,
    target_ii: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare golden model, simulators and RTL bit by bit.

    NET is a network file or the name of a built-in network.

    Every byte of memory after a run of the functional simulator and of the RTL is compared with the golden model's
    results, and every counter of the RTL with the cycle model's prediction. Builds are kept in $HWSHIFT_CACHE_DIR
    or ~/.cache/hwshift. The exit code is 9 if anything differs.

    With --hls the C simulation of the generated C++ is compared instead, built with the compiler at hand.
    """
    common.check_target(hls, target_ii)
    if hls is not None:
        _verify_hls(net, config, weights, shift, file, data, seed, keep, hls, target_ii, as_json, quiet)
        return
    from hwshift.compiler.driver import compile as compile_network
    from hwshift.program.file import load_program
    from hwshift.program.verifier import verify as check_program
    from hwshift.verification import verify_program

    with common.progress(quiet) as say:
        say("compiling")
        network, accelerator = common.resolve(net, config, weights, shift)
        if file is None:
            program = compile_network(network, accelerator, keep=keep, progress=say)
        else:
            program = check_program(load_program(file, accelerator))
        inputs = data.codes(network, seed)
        report = verify_program(
            program,
            network,
            inputs.codes,
            simulator=None if simulator == "none" else simulator,
            stalls=common.stall_pattern(stalls, seed),
            progress=say,
        )
    if as_json:
        common.print_json(report.as_dict() | {"input": inputs.description, "stalls": stalls, "seed": seed})
    elif not quiet:
        _show(report, inputs.description, stalls)
    _check(report, network.name)


def _verify_hls(
    net: str,
    config: str,
    weights: str | None,
    shift: str | None,
    file: str | None,
    data: DataOptions,
    seed: int,
    keep: Literal["all", "outputs"],
    hls: Literal["engine", "stream"],
    target_ii: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    from hwshift.hls.verification import verify_hls, verify_hls_program
    from hwshift.program.file import load_program
    from hwshift.program.verifier import verify as check_program

    if file is not None and hls == "stream":
        raise click.UsageError("--program is for the engine: a streaming design runs no program")
    with common.progress(quiet) as say:
        say("compiling")
        network, accelerator = common.resolve(net, config, weights, shift)
        inputs = data.codes(network, seed)
        if file is not None:
            program = check_program(load_program(file, accelerator))
            report = verify_hls_program(program, network, inputs.codes, progress=say)
        else:
            report = verify_hls(
                network, accelerator, inputs.codes, style=hls, target_ii=target_ii, keep=keep, progress=say
            )
    if as_json:
        common.print_json(report.as_dict() | {"input": inputs.description, "seed": seed})
    elif not quiet:
        common.print_table([
            ("network", report.network),
            ("config", report.config),
            ("images", f"{report.images} of {inputs.description}"),
            ("C++", report.style),
            ("layers compared", report.layers),
            ("values compared", report.values_compared),
            ("mismatches", report.mismatches),
        ])  # fmt: skip
        for text in report.differences:
            click.echo(text)
    _check(report, network.name)


def _check(report: "VerifyReport | HlsReport", network: str) -> None:
    """Raise `MismatchError` where something differs."""
    if not report.ok:
        raise MismatchError(
            f"{report.mismatches} mismatches in {report.values_compared} values; {report.differences[0]}",
            where=network,
        )


def _show(report: "VerifyReport", description: str, stalls: float) -> None:
    cycles = ", ".join(f"{value:,}" for value in sorted(set(report.cycles_rtl))) or "-"
    equal = {True: "equal", False: "DIFFERENT", None: "not compared"}[report.counters_equal]
    common.print_table([
        ("network", report.network),
        ("config", report.config),
        ("images", f"{report.images} of {description}"),
        ("RTL simulator", report.simulator or "none: RTL not run"),
        ("memory stalls", f"{stalls:.0%} of cycles"),
        ("layers compared", report.layers),
        ("values compared", report.values_compared),
        ("mismatches", report.mismatches),
        ("cycles, RTL", cycles),
        ("cycles, model", report.cycles_model),
        ("counters", equal),
    ])  # fmt: skip
    for text in report.differences:
        click.echo(text)
