"""The benches kill mutants of the Verilog; the whole campaign soaks, a sample takes minutes."""

from pathlib import Path

import numpy as np
import pytest

from hwshift.sim.runner import available_simulators

from ..seeds import seed_of
from .assumed import Known, assumed
from .benches import BENCHES
from .blocks import SHORT
from .campaign import COUNT, FLOOR, Campaign
from .equivalence import equivalent
from .netlist import Mutant, shares
from .replay import covers

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


@pytest.mark.slow
def test_what_is_known_of_inputs_helps_a_proof(folder) -> None:
    """A bit that is 0 in what a module is given is set to 0; one that is not is set to 0 as well."""
    (folder / "assumed").mkdir()
    (folder / "assumed" / "design.il").write_text(_DESIGN)
    mutant = Mutant(3, "top", "mutate -mode const0 -module top -cell masked -port A -portbit 1")
    assert not assumed(folder / "assumed", [mutant], [Known("top", "{a} < 3", "nothing of use")])
    assert set(assumed(folder / "assumed", [mutant], [Known("top", "{a} < 2", "the caller")])) == {mutant}
    assert not assumed(folder / "assumed", [mutant], [Known("other", "{a} < 2", "of another module")])


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
