"""The estimator against synthesis: stored results of configurations that it was not fitted to, and new runs."""

import itertools
import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.errors import ConfigError
from hwshift.golden.formats import Pow2Format
from hwshift.rtl.adder_tree import column_sum
from hwshift.rtl.array import sum_shape
from hwshift.rtl.interfaces import code_layout
from hwshift.rtl.pe import term_shape
from hwshift.synthesis import Resources, estimate, fitted
from hwshift.synthesis import fit as fitting
from hwshift.synthesis.estimate import model
from hwshift.synthesis.memories import Memory, block_ram, dsp_blocks, multipliers, ram_blocks
from hwshift.synthesis.run import BLOCKS
from hwshift.synthesis.terms import TERMS, terms_of
from hwshift.synthesis.training import HELD_OUT, TRAINING
from hwshift.synthesis.widths import column

CONFIGS = (*TRAINING, *HELD_OUT)
MEDIAN, WORST = 0.10, 0.25


def of(found, *quantities):
    return [(name, quantity, made, told) for name, quantity, made, told in found if quantity in quantities]


@pytest.mark.parametrize("target", fitted())
@pytest.mark.parametrize("quantity", ["lut", "ff", "carry"])
def test_errors_on_what_it_has_not_seen(target, quantity):
    found = of(fitting.errors(model(target)), quantity)
    relative = [abs(told / made - 1) for _, _, made, told in found]
    assert len(relative) >= 4
    assert statistics.median(relative) < MEDIAN and max(relative) < WORST


@pytest.mark.parametrize("target", fitted())
@pytest.mark.parametrize("which", ["training", "held_out"])
def test_block_rams_and_multipliers_are_exact(target, which):
    for name, quantity, made, told in of(fitting.errors(model(target), which), "bram", "dsp"):
        assert told == made, (name, quantity)


@pytest.mark.parametrize("target", fitted())
def test_the_manual_tells_these_errors(target):
    page = (Path(__file__).parents[2] / "docs" / "synthesis.md").read_text()
    assert f"<!-- estimates: {target} -->\n{fitting.error_table(model(target))}\n<!-- end -->" in page


@pytest.mark.parametrize("target", fitted())
def test_the_weights_are_those_of_the_stored_samples(target):
    data = model(target)
    samples = [
        (
            config,
            {name: Resources(**block) for name, block in data["samples"]["training"][config.name].items()},
        )
        for config in TRAINING
        if config.name in data["samples"]["training"]
    ]
    assert fitting.weights_of(samples) == data["weights"]


def test_the_lists_have_nothing_in_common():
    assert len({config.hash for config in CONFIGS}) == len(CONFIGS)
    assert len({config.name for config in CONFIGS}) == len(CONFIGS)


def test_an_estimate():
    found = estimate(PRESETS["8x8"])
    assert [*BLOCKS, "rest"] == list(TERMS)
    assert list(found.blocks) == [name for name in TERMS if name != "row taps"]
    assert list(estimate(PRESETS["8x8"].with_(row_taps=True)).blocks) == list(TERMS)
    assert found.total.lut == sum(block.lut for block in found.blocks.values()) > 10_000
    assert found.total.dsp == 0 < estimate(PRESETS["8x8-mac"]).total.dsp
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["estimate"] is True and plain["target"] == "ecp5"
    assert plain["total"]["lut"] == found.total.lut


def test_more_takes_more():
    base = PRESETS["4x4"]
    total = estimate(base).total
    for changes in ({"rows": 8}, {"pixels": 2}, {"feature_depth": 8192}, {"acc_width": 60}):
        other = estimate(base.with_(**changes)).total
        assert other.lut >= total.lut and other.bram >= total.bram and other != total, changes


def test_an_unknown_target():
    with pytest.raises(ConfigError, match=rf"^area is estimated for {', '.join(fitted())}, not for 'pdp11'$"):
        estimate(PRESETS["4x4"], "pdp11")


# shapes and counts by hand, from the devices' data sheets
@pytest.mark.parametrize(
    "target, memory, blocks",
    [
        ("ecp5", Memory("b", 32, 4096, shared=True), 8),  # 4 bits x 4096
        ("ecp5", Memory("b", 18, 1024, shared=True), 1),
        ("ecp5", Memory("b", 36, 512), 1),
        ("ecp5", Memory("b", 37, 512), 2),
        ("ecp5", Memory("b", 128, 256, segment=64), 4),  # 64 bits with one enable take 72
        ("ecp5", Memory("b", 8, 16), 0),  # two DPR16X4
        ("xilinx", Memory("b", 72, 512), 1),
        ("xilinx", Memory("b", 36, 1024, shared=True), 1),
        ("xilinx", Memory("b", 32, 4096, shared=True), 4),
        ("xilinx", Memory("b", 18, 1024, shared=True), 0.5),
        ("ice40", Memory("b", 16, 256), 1),
        ("ice40", Memory("b", 32, 2048, shared=True), 32),  # no port does both: a copy for every reader
    ],
)
def test_block_ram(target, memory, blocks):
    assert block_ram(memory, target) == blocks


@pytest.mark.parametrize(
    "target, first, second, blocks",
    [("ecp5", 18, 18, 1), ("ecp5", 19, 18, 2), ("ecp5", 32, 32, 4), ("ecp5", 64, 18, 4),
     ("xilinx", 27, 18, 1), ("xilinx", 18, 27, 1), ("xilinx", 32, 32, 4), ("ice40", 16, 16, 1), ("ice40", 32, 32, 4)],
)  # fmt: skip
def test_multipliers(target, first, second, blocks):
    assert multipliers(first, second, target) == blocks


def test_a_target_without_models_of_blocks():
    assert ram_blocks(PRESETS["4x4"], "generic") == dsp_blocks(PRESETS["4x4"], "generic") == {}


class Recorder:
    """Counts the bits of registers that `column_sum` makes, without a simulator."""

    def __init__(self):
        self.bits = 0
        self.d = self
        self.submodules = {}

    @property
    def sync(self):
        return self

    @sync.setter
    def sync(self, _value):
        pass

    def __iadd__(self, statement):
        self.bits += len(statement.lhs)
        return self


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_widths_are_those_of_the_hardware(config):
    from amaranth import Signal

    found = column(config)
    assert found.code == code_layout(config).size
    assert found.term == term_shape(config).width
    assert found.total == sum_shape(config).width
    if config.pe == "mac":  # with signs there are registers of signs, too
        recorder = Recorder()
        terms = [Signal(term_shape(config)) for _ in range(config.rows)]
        column_sum(recorder, None, terms, None, sum_shape(config).width, "x")
        assert found.stored == recorder.bits


def test_bits_of_multiplexers_by_hand():
    """32 bits moved by up to 3, then by up to 12: 35 and 47 bits, whose highest is always the sign."""
    base = AcceleratorConfig(rows=16, columns=16)
    assert column(base).multiplexers == 34 + 46
    assert column(base.with_(guard=0)).multiplexers == 31 + 31
    small = AcceleratorConfig(weights=Pow2Format(-7, 0))
    assert column(small).multiplexers < column(base).multiplexers


def test_terms_are_named_alike_and_never_negative():
    for block in TERMS:
        rows = [terms_of(block, config) for config in CONFIGS]
        assert len({tuple(row) for row in rows}) == 1
        assert all(value >= 0 for row in rows for value in row.values())


def test_least_squares_without_negative_weights():
    """Against all sets of weights that may be above zero."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        table, wanted = rng.random((9, 4)), 50 + 100 * rng.random(9)
        found = fitting.least_squares(table, wanted)
        assert (found >= 0).all()
        a, b = table / wanted[:, None], np.ones(9)
        best = np.inf
        for size in range(5):
            for kept in map(list, itertools.combinations(range(4), size)):
                x = np.zeros(4)
                x[kept] = np.linalg.lstsq(a[:, kept], b, rcond=None)[0]
                if (x >= 0).all():
                    best = min(best, float(np.sum((a @ x - b) ** 2)))
        assert float(np.sum((a @ found - b) ** 2)) == pytest.approx(best, abs=1e-9)


@pytest.mark.soak
@pytest.mark.parametrize("config", HELD_OUT, ids=lambda config: re.sub(r"\W+", "-", config.name))
def test_synthesis_anew(config, tmp_path):
    """Whole cores, by the path of ``hwshift synth``."""
    from hwshift.synthesis import synthesize

    made = synthesize(config, "ecp5", build_dir=tmp_path).total
    told = estimate(config).total
    for quantity in ("lut", "ff", "carry"):
        assert getattr(told, quantity) == pytest.approx(getattr(made, quantity), rel=WORST)
    assert (told.bram, told.dsp) == (made.bram, made.dsp)


DESIGN = """
module \\top.inner (clk, \\a$7 , y);
  input clk;
  wire clk;
  input [7:0] \\a$7 ;
  wire [7:0] \\a$7 ;
  output [7:0] y;
  reg [7:0] y;
  always @(posedge clk) y <= y + \\a$7 ;
endmodule
module top (clk, a, y);
  input clk;
  wire clk;
  input [7:0] a;
  wire [7:0] a;
  output [7:0] y;
  wire [7:0] y;
  wire [7:0] b;
  \\top.inner  one (
    .clk(clk),
    .\\a$7 (a ^ b),
    .y(b)
  );
  \\top.inner  two (
    .clk(clk),
    .\\a$7 (b),
    .y(y)
  );
endmodule
"""


@pytest.mark.slow
def test_modules_apart_are_modules_together(tmp_path):
    from hwshift.synthesis.modules import map_each
    from hwshift.synthesis.run import map_modules
    from hwshift.synthesis.targets import TARGETS

    together = map_modules(DESIGN, "top", TARGETS["ecp5"], build_dir=tmp_path)
    apart = map_each(DESIGN, "top", TARGETS["ecp5"], tmp_path / "modules")
    assert apart == together and apart["top"]["top.inner"] == 2
    kept = sorted((tmp_path / "modules").iterdir())
    renumbered = DESIGN.replace("a$7", "a$99")
    assert map_each(renumbered, "top", TARGETS["ecp5"], tmp_path / "modules") == apart
    assert sorted((tmp_path / "modules").iterdir()) == kept
