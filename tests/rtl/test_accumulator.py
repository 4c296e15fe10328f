"""The accumulators against a list of integers: sums, maxima, forwarding, latency."""

import re
import subprocess

import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.accumulator import Accumulator
from hwshift.rtl.array import sum_shape
from hwshift.rtl.export import convert
from hwshift.timing import timing
from hwshift.tools import simulator_problem

from ..seeds import python_random

SMALL = {"act": QFormat(4, 4), "bus_width": 32, "guard": 2, "acc_depth": 16}
CONFIGS = {
    "4x4": AcceleratorConfig(acc_depth=8),
    "8x8x2-mac": AcceleratorConfig(rows=8, columns=8, pixels=2, pe="mac", **SMALL | {"guard": 16}),
    "4x4x4": AcceleratorConfig(pixels=4, **SMALL),
    "4x4x2-sum": AcceleratorConfig(pixels=2, max_pool=False, **SMALL),
    "4x4-narrow": AcceleratorConfig(acc_width=24, **SMALL),
}
IDLE = {"valid": 0, "first": 0, "last": 0, "maximum": 0, "index": 0}


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def random_sums(config, rng):
    """Small enough for a few of them to fit."""
    bits = min(sum_shape(config).width, config.acc_width - 4)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return [[rng.choice([low, high, 0, rng.randint(low, high)]) for _ in range(config.columns)]
            for _ in range(config.pixels)]  # fmt: skip


def run(config, steps):
    """Present one step per cycle; `acc` seen in every cycle."""
    dut = Accumulator(config)
    idle = IDLE | {"sums": [[0] * config.columns] * config.pixels}
    steps, seen = [idle, *steps, idle], []

    async def bench(ctx):
        for step, following, ahead in zip(steps, steps[1:] + steps[:1], steps[2:] + steps[:2], strict=True):
            ctx.set(dut.address, step["index"])
            ctx.set(dut.address_next, following["index"])
            ctx.set(dut.first_next, following["first"])
            ctx.set(dut.writes_next, following["valid"] and not following["last"])
            ctx.set(dut.address_ahead, ahead["index"])
            ctx.set(dut.sums, step["sums"])
            for name in ("valid", "first", "last", "maximum"):
                ctx.set(getattr(dut, name), step[name])
            *_, acc = await ctx.tick().sample(dut.acc)
            seen.append([[acc[p][c] for c in range(config.columns)] for p in range(config.pixels)])

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen[1:]


def check(config, steps):
    """Every last step's result, one cycle later, and held until the next."""
    stored, expected, held = {}, [], [[0] * config.columns for _ in range(config.pixels)]
    for step in steps:
        expected.append(held)
        if not step["valid"]:
            continue
        value = step["sums"]
        if not step["first"]:
            op = max if step["maximum"] else lambda a, b: a + b
            value = [[op(a, b) for a, b in zip(*rows, strict=True)]
                     for rows in zip(stored[step["index"]], value, strict=True)]  # fmt: skip
        if step["last"]:
            held = value
        else:
            stored[step["index"]] = value
    assert run(config, steps) == expected + [held]
    return sum(step["valid"] and step["last"] for step in steps)


def chunk(config, rng, indices, ktiles, maximum):
    """The steps of one chunk: every k-tile over every pixel."""
    return [{"valid": 1, "first": int(k == 0), "last": int(k == ktiles - 1), "maximum": maximum,
             "index": index, "sums": random_sums(config, rng)}
            for k in range(ktiles) for index in indices]  # fmt: skip


def bubble(config, rng):
    return {name: rng.getrandbits(1) for name in ("first", "last", "maximum")} | {
        "valid": 0, "index": rng.randrange(config.acc_depth), "sums": random_sums(config, rng)}  # fmt: skip


def test_one_pixel_chunks_every_cycle(config):
    """The same accumulator in every cycle: each step reads what the one before it writes."""
    rng = python_random(1)
    steps = [step for _ in range(20) for step in chunk(config, rng, [3], 5, 0)]
    assert check(config, steps) == 20


def test_chunks_of_every_length_with_bubbles(config):
    rng = python_random(2)
    steps = []
    for _ in range(30):
        length = rng.choice([1, 2, 3, config.acc_depth])
        for step in chunk(config, rng, range(length), rng.randint(1, 5), 0):
            steps += [bubble(config, rng) for _ in range(rng.choice([0, 0, 0, 1, 2]))] + [step]
    assert check(config, steps) >= 30


def test_maximum(config):
    if not config.max_pool:
        pytest.skip("the configuration has no maximum")
    rng = python_random(3)
    steps = []
    for _ in range(30):
        length = rng.choice([1, 2, 4])
        steps += chunk(config, rng, range(length), rng.randint(1, 9), rng.getrandbits(1))
        steps += [bubble(config, rng)] * rng.choice([0, 1])
    check(config, steps)


def test_the_first_step_ignores_what_is_stored(config):
    rng = python_random(4)
    full = chunk(config, rng, range(config.acc_depth), 2, 0)[: config.acc_depth]
    check(config, full + chunk(config, rng, range(config.acc_depth), 1, 0))


LUT6 = """\
module LUT6 #(parameter [63:0] INIT = 0) (input I0, I1, I2, I3, I4, I5, output O);
  // the one table that is used, so that an unknown input that is not chosen stays without effect
  initial if (INIT != 64'hff00f0f0ccccaaaa) $display("another table: %h", INIT);
  assign O = I5 ? (I4 ? I3 : I2) : I4 ? I1 : I0;
endmodule
"""
BOTH_WAYS = """\
module both;
  reg clk = 0;
  always #5 clk = ~clk;
  reg [11:0] random = 0;
  reg [3:0] address = 0, address_next = 0, address_ahead = 0;
  reg first = 0, first_next = 0, valid = 0, valid_next = 0, last = 0, last_next = 0, maximum = 0;
  wire writes_next = valid_next & ~last_next;
  reg [4 * WIDTH - 1:0] sums = 0;
  wire [4 * ACC - 1:0] one, other;
  integer lane, seen = 0, cycle;
  initial begin
    for (cycle = 0; cycle < 4000; cycle = cycle + 1) begin
      @(negedge clk);
      if (cycle > 20 && one !== other) $display("cycle %0d: %h is not %h", cycle, one, other);
      if (one != 0) seen = seen + 1;
      random = $random;
      for (lane = 0; lane < 4; lane = lane + 1) sums[lane * WIDTH +: WIDTH] = $random;
      if (cycle < 20) random = 12'h120 | cycle[1:0];  // first steps, until every accumulator is known
      address = address_next; address_next = address_ahead; address_ahead = random[1:0];
      first = first_next; first_next = random[4:2] == 0;
      valid = valid_next; valid_next = random[7:5] != 0;
      last = last_next; last_next = random[9:8] == 0;
      maximum = random[10];
    end
    $display("seen %0d", seen);
    $finish;
  end
  plain a (CONNECTIONS, .acc(one));
  xilinx b (CONNECTIONS, .acc(other));
endmodule
"""
PORTS = (
    "clk",
    "address_ahead",
    "address_next",
    "address",
    "first_next",
    "writes_next",
    "valid",
    "first",
    "last",
    "maximum",
    "sums",
)


def form(folder, config, name, *options):
    """The Verilog of one form, as the preprocessor leaves it, with module names of its own."""
    source, chosen = folder / f"{name}_source.v", folder / f"{name}.v"
    source.write_text(convert(Accumulator(config), "dut"))
    subprocess.run(["iverilog", "-E", *options, "-o", chosen, source], check=True)
    return re.sub(
        r"\b(hwshift_\w+|dut)\b", lambda match: f"{name}_{match[1]}".replace("_dut", ""), chosen.read_text()
    )


def test_both_forms_of_the_verilog_are_equal(tmp_path):
    """What Xilinx gets has another schedule of reads; side by side in Icarus Verilog, on random steps."""
    if problem := simulator_problem("icarus"):
        pytest.skip(problem)
    config = CONFIGS["4x4-narrow"]
    plain = form(tmp_path, config, "plain")
    xilinx = form(tmp_path, config, "xilinx", "-DHWSHIFT_LUT6")
    assert "LUT6 #(" in xilinx and "LUT6 #(" not in plain
    bench = BOTH_WAYS.replace("WIDTH", str(sum_shape(config).width)).replace("ACC", str(config.acc_width))
    bench = bench.replace("CONNECTIONS", ".rst(1'b0), " + ", ".join(f".{port}({port})" for port in PORTS))
    (tmp_path / "both.v").write_text("\n".join([plain, xilinx, LUT6, bench]))
    subprocess.run(["iverilog", "-g2012", "-o", "both", "both.v"], cwd=tmp_path, check=True)
    output = subprocess.run(
        ["vvp", "-n", "both"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert output.startswith("seen "), output[:300]
    assert int(output.split()[1]) > 3000


def test_latency(config):
    when = timing(config)
    assert Accumulator.latency == when.epilogue_stage - when.sum_stage == 1
