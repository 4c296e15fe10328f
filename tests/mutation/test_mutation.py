"""The benches kill mutants of the Verilog; the whole campaign soaks, a sample takes minutes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwshift.rtl.export import TOP
from hwshift.sim.runner import available_simulators

from ..seeds import seed_of
from .benches import BENCHES
from .blocks import SHORT
from .campaign import COUNT, FLOOR, Campaign
from .equivalence import equivalent
from .known import FREE, KNOWN, LOAD
from .netlist import Mutant, shares, yosys
from .replay import covers
from .sequences import Known, follows, never_seen

SAMPLE = 12
"""Mutants of the sample, drawn from those of the campaign; some of them may be equivalent."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    if "icarus" not in available_simulators():
        pytest.skip("no Icarus Verilog")
    return tmp_path_factory.mktemp("mutation")


@pytest.mark.soak
def test_campaign(folder) -> None:
    campaign = Campaign(folder, COUNT)
    campaign.run()
    print(campaign.report())
    assert len(campaign.results) == COUNT
    assert campaign.share >= FLOOR


@pytest.mark.soak
def test_nothing_that_is_killed_is_proven(folder) -> None:
    """Proofs of all cycles are put to mutants that vectors of their blocks tell apart."""
    campaign = Campaign(folder, COUNT)
    campaign.run()
    killed = [
        item for item in campaign.mutants if campaign.results[str(item.number)].startswith("block engine")
    ]
    rng = np.random.default_rng(seed_of("killed mutants", 1))
    chosen = [killed[index] for index in rng.permutation(len(killed))[:4]]
    assert not never_seen(folder, chosen, KNOWN)


@pytest.mark.slow
def test_a_sample_is_killed(folder) -> None:
    """Mutants of the modules that every program uses: the first bench kills most of them."""
    campaign = Campaign(folder, COUNT)
    rng = np.random.default_rng(seed_of("mutants", 1))
    used = [item for item in campaign.mutants if item.module.endswith(("array", "sequencer", "accumulator"))]
    chosen = [used[index] for index in rng.permutation(len(used))[:SAMPLE]]
    campaign.sample(chosen, BENCHES[0]())
    print(campaign.report())
    assert campaign.killed() >= SAMPLE // 2


@pytest.mark.slow
def test_blocks_kill(folder) -> None:
    """The vectors of two blocks: the design passes, nearly all mutants in them do not."""
    campaign = Campaign(folder, COUNT)
    for block in (item for item in SHORT if item.module in ("engine.compute.tokens", "engine.write_master")):
        inside = [item for item in campaign.mutants if covers(block, item)]
        killed = campaign.replay(block, inside)
        assert len(killed) >= len(inside) - 1 > 0, block.module


def test_shares() -> None:
    assert shares({"a": 50, "b": 30, "c": 20}, 10) == {"a": 5, "b": 3, "c": 2}
    assert shares({"a": 2, "b": 1}, 4) == {"a": 3, "b": 1}
    assert sum(shares({str(size): size for size in range(1, 40)}, 320).values()) == 320


@pytest.mark.slow
def test_what_is_equivalent_is_proven_and_what_is_not_is_not(folder) -> None:
    """A bit that is 0 anyway is set to 0; one that counts is inverted."""
    (folder / "proofs").mkdir()
    (folder / "proofs" / "design.il").write_text(_DESIGN)
    same = Mutant(1, "top", "mutate -mode const0 -module top -cell masked -port A -portbit 0")
    other = Mutant(2, "top", "mutate -mode inv -module top -cell masked -port A -portbit 1")
    assert set(equivalent(folder / "proofs", [same, other])) == {same}


def _never(place: Path, design: str, cell: str, bit: int, *known: Known) -> bool:
    """Whether it is proven that a bit of a cell's input A may be 0."""
    place.mkdir()
    (place / "design.v").write_text(design)
    yosys("read_verilog design.v; proc; opt_clean; write_rtlil design.il", place)
    (name,) = re.findall(rf"^  cell \{cell} (\S+)$", (place / "design.il").read_text(), re.MULTILINE)
    mutant = Mutant(3, "top", f"mutate -mode const0 -module top -cell {name} -port A -portbit {bit}")
    return bool(never_seen(place, [mutant], known))


@pytest.mark.slow
def test_a_state_that_is_never_met(folder) -> None:
    """A counter to 2: what tells that it is at 3 may be anything, what tells that it is at 2 may not."""
    assert _never(folder / "never", _COUNTER, "$reduce_and", 0)
    assert not _never(folder / "met", _COUNTER, "$eq", 1)


@pytest.mark.slow
def test_what_is_known_of_inputs_helps_a_proof(folder) -> None:
    """An upper bit that is kept a cycle: it may be 0 if it always was, and not for a reason that does not hold."""
    below = Known("top", "{a} < 2", "the caller")
    cases: list[tuple[bool, tuple[Known, ...]]] = [
        (True, (below,)),
        (True, (replace(below, lemma="!{q}[1]"),)),
        (False, ()),
        (False, (replace(below, expression="{a} < 3"),)),
        (False, (replace(below, module="other"),)),
        (False, (replace(below, lemma="{q} == 0"),)),
        (False, (replace(below, expression="1", lemma="!{q}[1]"),)),
        (True, (replace(below, expression="before < 2", state="reg [1:0] before = 0; wire [1:0] now = {a};\n"
                        "always @(posedge clk) before <= now;"),)),
    ]  # fmt: skip
    for index, (proven, known) in enumerate(cases):
        assert _never(folder / f"known_{index}", _KEPT, "$gt", 1, *known) == proven, known


@pytest.mark.slow
@pytest.mark.parametrize("module, known, wrong", [
    ("engine.loader.writer", LOAD, "!{gearbox.start}"),
    ("engine.loader.fifo", FREE, "{left} < 200"),
], ids=["gearbox", "load FIFO"])  # fmt: skip
def test_lemmas(folder, module, known, wrong) -> None:
    """What is said of the design holds; something else is refuted."""
    Campaign(folder, COUNT)
    assert follows(folder, f"{TOP}.{module}", known)
    assert not follows(folder, f"{TOP}.{module}", replace(known, lemma=wrong))


_COUNTER = """
module top(input clk, output alarm, output last);
  reg [1:0] q = 0;
  assign last = q == 2'd2;
  assign alarm = &q;
  always @(posedge clk) q <= last ? 2'd0 : q + 2'd1;
endmodule
"""
_KEPT = """
module top(input clk, input [1:0] a, output y);
  reg [1:0] q = 0;
  assign y = q > 2'd1;
  always @(posedge clk) q <= a;
endmodule
"""
_DESIGN = """
module \\top
  wire width 2 input 1 \\a
  wire width 2 output 2 \\y
  cell $and \\masked
    parameter \\A_SIGNED 0
    parameter \\A_WIDTH 2
    parameter \\B_SIGNED 0
    parameter \\B_WIDTH 2
    parameter \\Y_WIDTH 2
    connect \\A \\a
    connect \\B 2'10
    connect \\Y \\y
  end
end
"""
