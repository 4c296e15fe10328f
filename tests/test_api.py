"""Tests of the public interface: from a network to its figures, by name, file and object."""

import doctest
import inspect
import json
import re
import warnings

import numpy as np
import pytest

import hwshift
from hwshift import api
from hwshift.config import PRESETS
from hwshift.errors import DataError, NetworkError, QuantizeError, SimulationError, ToolError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.fixed import FixedNetwork
from hwshift.network.quantize import quantize as quantize_directly
from hwshift.network.random import csc_network
from hwshift.network.serialize import save
from hwshift.quantization import SaturationWarning, calibrate
from hwshift.simulation import simulate_program


@pytest.fixture(scope="module")
def network():
    return csc_network(12, 8, 8, modules=1, seed=2)  # with 8 channels none would be shifted


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """An archive of six labelled images of noise."""
    path = tmp_path_factory.mktemp("images") / "images.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    np.savez(path, images=pixels, labels=np.arange(6))
    return path


def test_from_a_network_to_its_figures(network, images):
    data = hwshift.load_images(network, images, mean=0.5, std=0.25)
    rounded = hwshift.quantize(network)
    program = hwshift.compile(rounded, "8x8")
    simulation = api.simulate(rounded, "8x8", data=data)
    result = hwshift.evaluate(rounded, data, config="8x8")
    assert len(data) == 6 and data.images.min() == pytest.approx(-2)
    assert isinstance(rounded, FixedNetwork)
    assert program.config is PRESETS["8x8"]
    bound = api._bound(rounded, "8x8", None, None)[0]
    assert simulation.counters == simulate_program(program, bound).counters
    assert simulation.operations["instructions"] == len(program.instructions)
    assert (result.images, result.labelled, result.scores[0].model) == (6, True, "8x8")


def test_networks_by_name_file_and_object(network, tmp_path):
    save(network, tmp_path / "net.hwnet")
    expected = hwshift.compile(network, "4x4").instructions
    assert hwshift.compile(tmp_path / "net.hwnet", "4x4").instructions == expected
    assert hwshift.compile(str(tmp_path / "net.hwnet"), PRESETS["4x4"]).instructions == expected
    assert hwshift.load("csc-small").name == hwshift.load("csc-small").name == "csc-0"
    with pytest.raises(NetworkError, match=r"^absent: no such network; built-in: csc-small"):
        hwshift.load("absent")


def test_onnx_files(tmp_path):
    onnx = pytest.importorskip("onnx")
    weight = np.random.default_rng(1).normal(size=(4, 3, 1, 1)).astype(np.float32)
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 5, 5])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4, 5, 5])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path / "Model.ONNX"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    )
    network = hwshift.load(path)
    np.testing.assert_array_equal(network.node("conv").op.weight, weight)
    assert api.verify(path, "4x4-mac", simulator=None).ok
    path.write_bytes(b"broken")
    with pytest.raises(NetworkError, match="not a valid ONNX model"):
        hwshift.load(path)


@pytest.mark.parametrize(("arguments", "weights", "act"), [
    ({}, Pow2Format(), QFormat()),
    ({"weight_format": "-7..0", "act": "Q8.8"}, Pow2Format(-7, 0), QFormat(8, 8)),
    ({"weights": "fixed"}, QFormat(), QFormat()),
    ({"weights": "fixed", "weight_format": "Q4.12", "act": QFormat(8, 8)}, QFormat(4, 12), QFormat(8, 8)),
])  # fmt: skip
def test_quantize(network, arguments, weights, act):
    rounded = hwshift.quantize(network, **arguments)
    expected = quantize_directly(
        network, act=act, weights=arguments.get("weights", "pow2"), weight_format=weights
    )
    assert rounded.act == act and rounded.layer("stem").op.weights.fmt == weights
    np.testing.assert_array_equal(
        rounded.layer("stem").op.weights.values, expected.layer("stem").op.weights.values
    )
    with pytest.raises(QuantizeError, match=r"^csc-2: it is quantized already: name a float network$"):
        hwshift.quantize(rounded)


def test_quantize_with_formats_chosen_for_images(network, images):
    """As the calibration says, for the same images."""
    data = hwshift.load_images(network, images)
    rounded = hwshift.quantize(network, weights="fixed", act=16, weight_format=8, data=images, margin=1.5)
    expected = calibrate(network, data, bits=16, weights="fixed", margin=1.5)
    assert rounded.act == expected.act and rounded.act.bits == 16
    assert rounded.layer("stem").op.weights.fmt.bits == 8
    with pytest.raises(QuantizeError, match="^csc-2: images are needed to choose a format of 16 bits from$"):
        hwshift.quantize(network, act=16)


def test_quantize_warns_where_values_saturate(network, images):
    data = hwshift.load_images(network, images, std=0.1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        hwshift.quantize(network, act="Q1.7", data=data)
    # nothing but 1 and more saturates: pixels / 255 / 0.1 are 0 to 10
    count = int((data.images >= 1).sum())
    assert str(told[0].message) == f"input: {count:,} of 1,152 values saturate in Q1.7"
    assert all(item.category is SaturationWarning and item.filename == __file__ for item in told)


def test_quantize_takes_deepshift_parameters(network):
    shape = network.node("stem_conv").op.weight.shape
    ps = {"stem_conv.shift": np.full(shape, -2.5), "stem_conv.sign": np.full(shape, -0.6)}
    weights = hwshift.quantize(network, ps=ps).layer("stem").op.weights
    assert weights.fmt == Pow2Format(-14, 0)
    assert (weights.values == -1).all() and (weights.powers == -2).all()


def test_evaluate_in_several_formats(network):
    result = hwshift.evaluate(
        network,
        limit=5,
        formats=["Q8.8", "Q4.12"],
        weight_formats=["Q4.12"],
        guards=[0, "exact"],
        layers=True,
    )
    names = ["fixed Q8.8 G=0", "fixed Q8.8 exact", "fixed Q4.12 G=0", "fixed Q4.12 exact"]
    assert [item.model for item in result.scores] == ["float", *names] and list(result.layers) == names
    assert [layer.format for layer in result.layers[names[0]]] == ["Q8.8"] * len(result.layers[names[0]])


def test_evaluate_without_images(network):
    result = hwshift.evaluate(network, limit=7, seed=4)
    assert (result.images, result.origin) == (7, "seeded noise, seed 4")
    assert [item.model for item in result.scores] == ["float", "fixed", "pow2"]
    assert hwshift.evaluate(network).images == 100


def test_verify_and_generate_run_the_first_images(network, images, tmp_path, monkeypatch, rtl_builds):
    monkeypatch.setenv("HWSHIFT_CACHE_DIR", str(rtl_builds))
    report = api.verify(network, "4x4", data=images, limit=2, simulator=None)
    assert report.ok and report.images == 2
    design = api.generate(network, tmp_path / "design", "4x4", data=images)
    assert (tmp_path / "design" / "rtl" / "hwshift_core.v").is_file()
    assert design.cycles == api.simulate(network, "4x4", keep="all").counters["total"]


def test_stalls_and_shifts_reach_the_models(network):
    free, held = (api.simulate(network, "4x4", stalls=share).counters["total"] for share in (0.0, 0.5))
    assert free < held
    moved = hwshift.compile(network, "4x4", shift="moved")
    assert [row["name"] for row in moved.layers if row["op"] == "Shift"] == ["m0.shift.moved"]
    assert not [row for row in hwshift.compile(network, "4x4").layers if row["op"] == "Shift"]


def test_report(network, images, tmp_path):
    report = hwshift.report(network, tmp_path / "page.html", "4x4", data=images, limit=4)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<html" in text and "top-1" in text
    assert report.accuracy["images"] == f"{images}, array images, evenly chosen from 6 images"
    hwshift.report(network, tmp_path / "page.json", "4x4")
    assert json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["accuracy"] is None
    with pytest.raises(
        DataError, match="there is nothing to tell an accuracy from: labels and classes are needed$"
    ):
        hwshift.report(network, tmp_path / "no.html", data=hwshift.load_images(network))


def test_every_function_is_public_and_documented():
    for name in api.__all__:
        function = getattr(api, name)
        assert re.match(r"[A-Z].*\.$", inspect.getdoc(function).splitlines()[0]), name
        optional = list(inspect.signature(function).parameters.values())[2:]
        assert all(item.default is not inspect.Parameter.empty for item in optional), name
    assert set(hwshift._LAZY) <= set(api.__all__)


def test_examples():
    failed, tried = doctest.testmod(api, extraglobs={"hwshift": hwshift})
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize(("function", "arguments", "error", "message"), [
    ("simulate", {"latency": 0}, SimulationError, "latency: 1 is the least, not 0"),
    ("simulate", {"stalls": 2}, SimulationError, "density of ar must be 0 or more and below 1, not 2"),
    ("simulate", {"stalls": 0.5, "seed": -1}, SimulationError, "seed: 0 is the least, not -1"),
    ("simulate", {"clock_mhz": 0}, SimulationError, "clock_mhz: must be positive and finite, not 0"),
    ("report", {"out": "x", "clock_mhz": float("nan")}, SimulationError,
     "clock_mhz: must be positive and finite, not nan"),
    ("verify", {"simulator": "questa"}, ToolError,
     "simulator: must be None, auto, icarus, verilator, not 'questa'"),
    ("verify", {"limit": 0, "simulator": None}, DataError, "limit: at least 1 image is needed, not 0"),
    ("evaluate", {"limit": 0}, DataError, "limit: at least 1 image is needed, not 0"),
])  # fmt: skip
def test_values_that_are_refused(network, function, arguments, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        getattr(hwshift, function)(network, **arguments)


def test_no_image_of_a_data_set_is_refused(network, images):
    data = hwshift.load_images(network, images)
    with pytest.raises(DataError, match="^limit: at least 1 image is needed, not 0$"):
        data.first(0)
