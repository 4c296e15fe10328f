"""What a layer is told to be up against."""

import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler import explain
from hwshift.config import PRESETS
from hwshift.program.isa import Opcode
from hwshift.resolve import load_network, prepare


@pytest.fixture(scope="module")
def program():
    """block1.unit1.slice is a residual; block1.unit3.slice only a name; 1380 outputs of 2x2 pixels load slowly."""
    config = PRESETS["8x8"]
    return compile_network(prepare(load_network("FE-Net-1.0x@64"), config), config, keep="outputs")


def test_bounds(program):
    layers = {layer["name"]: layer for layer in program.layers}
    expected = {
        "block1.unit3.conv1.relu": "compute",  # 32 to 192 channels of 16x16: full tiles, 24 * 4 * 256 steps
        "stem.bn": "quantisation",  # 27 products fill two of eight lanes' triples at a time
        "block1.unit3.pool": "diagonal",
        "classifier": "tile load",  # one pixel
        "pool": "load",
    }
    assert {name: layers[name]["bound"] for name in expected} == expected
    conv = layers["block1.unit3.conv1.relu"]
    assert conv["steps"] == conv["useful_steps"] == 24 * 4 * 256


def test_beats_are_those_of_the_program(program):
    items = program.instructions
    moved = sum(
        item["rows"] * item["row_beats"] for item in items if item.opcode in (Opcode.LOAD, Opcode.STORE)
    )
    per_instruction = 64 // program.config.beat_bytes
    total = sum(layer.get("bus_beats", 0) for layer in program.layers)
    assert total == moved + per_instruction * (len(items) - 2)  # header and end belong to no layer


def test_weights(program):
    kinds = {layer["name"]: layer.get("weights") for layer in program.layers}
    assert kinds["stem.bn"] == "stay" and kinds["classifier"] == "once" and kinds["pool"] == "constant"
    config = PRESETS["4x4"].with_(feature_depth=96, weight_tiles=8)
    small = compile_network(prepare(load_network("csc-small"), config), config, keep="outputs")
    assert "again" in {layer.get("weights") for layer in small.layers}


def test_passes_tell_why():
    config = PRESETS["8x8"]
    text = explain(compile_network(prepare(load_network("ShuffleNet-1x-g2@32"), config), config))
    why = (
        "stage2.unit1.concat is a pass: stage2.unit2.relu adds it, and has to find it where it writes the sum"
    )
    assert why in text
    assert "bound" in text.splitlines()[0]


def test_what_is_written_in_place(program):
    found = {layer["name"]: layer["over"] for layer in program.layers if layer["where"] == "in place"}
    assert found["block1.unit1.add"] == "ib_pool.conv2.bn" and found["block1.unit2.add"] == "block1.unit1.add"
    assert " is a pass" not in explain(program) and "in place" in explain(program)
