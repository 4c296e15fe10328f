"""Published networks, compiled at small sizes: the functional simulator gives the golden model's bits."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.errors import HwshiftError
from hwshift.golden.model import run
from hwshift.resolve import load_network, prepare
from hwshift.sim.functional import run_program
from hwshift.zoo import names
from hwshift.zoo.catalog import define

from ..seeds import generator

CONFIGS = {
    "16x16": PRESETS["16x16"].with_(feature_depth=512),  # too few words for whole maps: layers take turns
    "16x16-mac": PRESETS["16x16-mac"],
    "16x16x4": PRESETS["16x16x4"],
    "4x4": PRESETS["4x4"],
    "8x8-taps": PRESETS["8x8"].with_(row_taps=True),
}

FEW = (
    "ResNet20",
    "ResNet20-module-1",
    "ShiftResNet20-1",
    "ShiftResNet20-6-SSL",
    "ShiftResNet20-9-concat",
    "ShiftNet-A",
    "ShiftNet-C",
    "ShiftFaceNet",
    "FE-Net-1.0x",
    "FE-Net-1.0x-DW",
    "ShuffleNet-0.5x-g8",
    "ShuffleNet-1x-g3",
    "MobileNetV2",
)
"""One of each kind."""

TAKE_TURNS = {
    "ShiftResNet20-6-SSL",
    "ShiftResNet20-9-concat",
    "ShiftNet-A",
    "FE-Net-1.0x",
    "FE-Net-1.0x-DW",
    "ShuffleNet-1x-g3",
    "MobileNetV2",
}
"""Of these, those whose maps do not fit the smallest buffer here."""

REFUSED = {
    "ShiftStyle": "InstanceNorm depends on the statistics of each image",
    "-SE": "its gates need multipliers",
}
"""Part of a name: why an accelerator without multipliers does not run it; an array of multipliers runs the latter."""


def check(name: str, config: str) -> dict:
    """Compile and run one network at a small size; the compiler's layers."""
    name, *options = name.split(",")
    size = 16 if max(define(name).size) == 32 else 32
    accelerator = CONFIGS[config]
    network = prepare(load_network(",".join([f"{name}@{size}", *options])), accelerator)
    program = compile_network(network, accelerator, keep="outputs")
    x = generator(1).integers(-2 << 16, 2 << 16, network.input.shape)
    memory, counts = run_program(program, x)
    expected = run(network, accelerator.arithmetic, x[None])[0]
    np.testing.assert_array_equal(program.read_tensor(memory, program.output), expected)
    assert len(np.unique(expected)) > 1
    assert counts.steps == sum(layer.get("steps", 0) for layer in program.layers)
    return program.layers


def reason(name: str, config: str) -> str | None:
    if "-SE" in name and CONFIGS[config].gates:
        return None
    return next((text for part, text in REFUSED.items() if part in name), None)


def check_or_refuse(name: str, config: str) -> None:
    why = reason(name, config)
    if why is None:
        check(name, config)
        return
    with pytest.raises(HwshiftError, match=why):
        check(name, config)


@pytest.mark.parametrize("name", FEW)
def test_one_of_each_kind(name):
    layers = check(name, "16x16")
    turns = any(layer.get("strips", 1) > 1 and len(layer["together"]) > 1 for layer in layers)
    assert turns == (name in TAKE_TURNS)


@pytest.mark.parametrize(("name", "config"), [
    ("ShiftResNet20-6", "4x4"), ("ShiftResNet20-6", "16x16-mac"), ("ShiftResNet56-3", "16x16x4"),
    ("ShiftNet-C", "16x16x4"), ("FE-Net-1.0x", "16x16x4"), ("ShuffleNet-0.25x-g3", "4x4"),
    ("ShuffleNet-1x-g3", "16x16-mac"), ("MobileNetV2", "16x16x4"), ("FE-Net-1.0x-SE1", "16x16-mac"),
    ("ShuffleNet-1x-g3-SE", "16x16-mac"), ("ShiftStyle,norm=batch", "16x16x4"), ("ShuffleNet-1x-g3", "8x8-taps"),
    ("MobileNetV2", "8x8-taps"), ("FE-Net-1.0x-DW", "8x8-taps"),
])  # fmt: skip
def test_other_accelerators(name, config):
    check(name, config)


@pytest.mark.parametrize(("name", "config"), [
    ("ShiftStyle", "16x16"), ("ShiftStyle", "16x16-mac"), ("FE-Net-1.0x-SE1", "16x16"),
    ("ShuffleNet-1x-g3-SE", "16x16"),
])  # fmt: skip
def test_refused(name, config):
    assert reason(name, config) is not None
    check_or_refuse(name, config)


@pytest.mark.soak
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", names())
def test_every_network(name, config):
    check_or_refuse(name, config)
