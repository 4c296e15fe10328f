"""Streaming designs: bit-exact on drawn networks, refusals by name, FIFOs that are just deep enough."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import hwshift
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.data import Images
from hwshift.errors import CompileError, ConfigError, HwshiftError
from hwshift.hls.build import SANITIZE, build_testbench, run_testbench
from hwshift.hls.estimates import estimate_plan
from hwshift.hls.generation import STYLES, generate_hls, stream_project
from hwshift.hls.plan import plan_stream
from hwshift.hls.verification import verify_hls
from hwshift.network import ops
from hwshift.network.random import NetworkBuilder, csc_network, gated_network
from hwshift.resolve import load_network, prepare
from hwshift.zoo.trained import TRAINED

from ..seeds import generator
from .projects import codes, config_of, pairwise, stream_network, write

CONFIG = PRESETS["4x4"]
NETWORK = prepare(csc_network(6, 8, 7, 2, stride2=(1,), classes=3, seed=1), CONFIG)
IMAGES = Images(codes(NETWORK, 3, 5), "noise")
PLAN = plan_stream(NETWORK, CONFIG)
PAIRS = pairwise()


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    return generate_hls(NETWORK, CONFIG, tmp_path_factory.mktemp("stream") / "design", IMAGES, style="stream")


@pytest.fixture(scope="module")
def files(design):
    return {name: (design.folder / name).read_bytes() for name in design.files}


@pytest.fixture
def copy(design, tmp_path):
    return shutil.copytree(design.folder, tmp_path / "copy")


def test_files_are_the_same_again(design, files, tmp_path):
    again = generate_hls(NETWORK, CONFIG, tmp_path / "again", IMAGES, style="stream")
    assert again.files == design.files
    for name, content in files.items():
        assert content == (again.folder / name).read_bytes(), name
        assert b"/work" not in content and str(tmp_path).encode() not in content, name
    assert json.loads(files["estimate.json"])["label"].startswith("estimates ")


@pytest.mark.slow
def test_odd_names(rtl_builds):
    """Names of layers and networks are comments and text of C++, nothing else."""
    names = {layer.name: f'{layer.name} "\\\n{index}*/' for index, layer in enumerate(NETWORK.layers)}
    layers = tuple(
        replace(
            layer,
            name=names[layer.name],
            inputs=tuple(names[name] for name in layer.inputs),
            residual=None if layer.residual is None else names[layer.residual],
        )
        for layer in NETWORK.layers
    )
    network = replace(NETWORK, name="odd\\", layers=layers)
    for style in STYLES:
        report = verify_hls(network, CONFIG, IMAGES.codes[:1], style=style, build_dir=rtl_builds)
        assert report.ok, report.differences


def test_make_test(copy):
    compiler = "clang++" if shutil.which("clang++") else "g++"
    done = subprocess.run(
        ["make", "-C", copy, "test", f"CXX={compiler}", "CXXFLAGS=-O0"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    values = sum(int(np.prod(layer.shape)) for layer in NETWORK.layers[1:])
    assert f"PASS: 3 images, {3 * values} values, 0 differ, no standstill" in done.stdout


def test_one_changed_bit_fails(copy, files, rtl_builds):
    bench = build_testbench(files, rtl_builds)
    assert run_testbench(bench, copy / "vectors")[0]
    path = copy / "vectors" / "expected_2.bin"
    data = bytearray(path.read_bytes())
    stem = NETWORK.layers[1]
    place = (2 * stem.shape[2] + 3) * stem.shape[0] + 1  # channel 1 of the pixel (2, 3) of the first layer
    data[4 * place] ^= 4
    path.write_bytes(data)
    passed, printed = run_testbench(bench, copy / "vectors")
    assert not passed
    lines = printed.splitlines()
    assert lines[0].startswith(f"image 2: layer '{stem.name}', channel 1, pixel (y=2, x=3): expected ")
    assert lines[-1].startswith("FAIL: 3 images, ") and ", 1 differ, no standstill" in lines[-1]


def test_a_fifo_one_word_shorter_comes_to_a_standstill(copy, files, rtl_builds):
    """The computed depth is the least that works, and C simulation would notice less."""
    channel = next(item for item in PLAN.channels[2:] if item.needed > item.pixel_words + 1)
    for depth, works in ((channel.needed, True), (channel.needed - 1, False)):
        name = f"constexpr int DEPTH_{channel.name} = "
        text, count = re.subn(rf"{name}\d+;", f"{name}{depth};", files["src/design.h"].decode())
        assert count == 1
        bench = build_testbench(files | {"src/design.h": text.encode()}, rtl_builds)
        passed, printed = run_testbench(bench, copy / "vectors")
        assert passed == works
        assert works or re.search(
            rf"^standstill: process \w+ waits for room in the FIFO {channel.name} of {depth} words$",
            printed,
            re.MULTILINE,
        )


def drawn_case(seed):
    """A network, a configuration of the pairwise set that takes it, and a target."""
    rng = generator(seed)
    while True:
        config = config_of(PAIRS[rng.integers(len(PAIRS))])
        try:
            network = prepare(stream_network(rng), config)
            plan = plan_stream(network, config)
        except HwshiftError:
            continue
        return network, config, [None, 2 * plan.target_ii][seed % 2]


def check(seed, folder, flags=()):
    network, config, target = drawn_case(seed)
    images = codes(network, 2, seed)
    if not flags:
        report = verify_hls(network, config, images, style="stream", target_ii=target, build_dir=folder)
        assert report.ok, (config, report.differences)
        assert report.layers == len(network.layers) - 1
        return
    plan = plan_stream(network, config, target)
    files = stream_project(plan, estimate_plan(plan), Images(images, "drawn"))
    bench = build_testbench(files, folder / "builds", flags=flags)
    passed, printed = run_testbench(bench, write(files, folder / "project") / "vectors")
    assert passed, printed


@pytest.mark.parametrize("seed", [4])
def test_drawn_networks(seed, rtl_builds):
    check(seed, rtl_builds)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *range(10, 20)])
def test_more_drawn_networks(seed, rtl_builds):
    check(seed, rtl_builds)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [30, 31])
def test_sanitizers(seed, tmp_path):
    check(seed, tmp_path, SANITIZE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.soak) if name == "cifar10-resnet20" else name for name in TRAINED],
)
def test_trained_networks(name, rtl_builds):
    config = PRESETS["8x8" if name.endswith("pow2") else "8x8-mac"]
    network = prepare(load_network(name), config)
    report = verify_hls(network, config, codes(network, 2), style="stream", build_dir=rtl_builds)
    assert report.ok, report.differences


# -- refusals ----------------------------------------------------------------------------------------------------


def one_layer(op, *inputs, channels=4):
    build = NetworkBuilder(0, channels, 6, 6)
    build.conv("first", "input", 4)
    build.add("layer", op, "first", *inputs)
    build.linear("classifier", "layer", 2)
    return prepare(build.network("one"), CONFIG)


@pytest.mark.parametrize(("op", "message"), [
    (ops.ChannelSlice(0, 2),
     "layer: Slice has no streaming form; there is one for Conv, Pool, Sum and Shift: use the engine"),
    (ops.ChannelShuffle(np.array([1, 0, 3, 2])), "layer: Shuffle has no streaming form; .*"),
    (ops.UpsampleNearest((2, 2)), "layer: Upsample has no streaming form; .*"),
    (ops.AveragePool((2, 2), (2, 2), (1, 1, 1, 1), include_border=False),
     "layer: an average that leaves out the border divides by several numbers: use the engine"),
    (ops.Conv2d(np.full((4, 2, 1, 1), 0.5), groups=2),
     "layer: a convolution of 2 groups has no streaming form: use the engine"),
    (ops.Sigmoid(), "layer: the activation sigmoid has no streaming form: use the engine"),
])  # fmt: skip
def test_layers_without_a_form(op, message, tmp_path):
    network = one_layer(op)
    with pytest.raises(CompileError, match=f"^{message}$"):
        generate_hls(network, CONFIG, tmp_path / "out", Images(codes(network, 1), ""), style="stream")
    assert list(tmp_path.iterdir()) == []


def test_gates():
    network = prepare(gated_network(0), AcceleratorConfig(rows=8, columns=8))
    with pytest.raises(CompileError, match="^left: Slice has no streaming form"):
        plan_stream(network, CONFIG)


def test_a_target_that_cannot_be_reached():
    with pytest.raises(
        CompileError, match=r"^stem: its target is 100 cycles per image, \d+ are the least: raise it$"
    ) as error:
        plan_stream(NETWORK, CONFIG, 100)
    least = int(re.search(r"(\d+) are the least", str(error.value))[1])
    assert least == 8 * 7 * 9  # nine taps of 56 pixels, all three channels in one word
    with pytest.raises(
        CompileError, match="^input: its target is 1 cycles per image, 56 are the least: raise it$"
    ):
        plan_stream(NETWORK, CONFIG, 1)


def test_a_network_that_is_too_large():
    build = NetworkBuilder(0, 1024, 1, 1)
    build.conv("wide", "input", 1025)
    network = prepare(build.network("large"), CONFIG)
    with pytest.raises(CompileError) as error:
        plan_stream(network, CONFIG)
    assert str(error.value) == (
        f"large: it has {1024 * 1025} weights; a streaming design keeps all on chip and is for networks of up to "
        "1048576: use the engine"
    )


@pytest.mark.parametrize(("options", "message"), [
    ({"hls": "streams"}, "^hls: must be one of engine, stream, not 'streams'$"),
    ({"hls": "engine", "target_ii": 9}, "^target_ii: is of streaming designs: leave it out or use the style stream$"),
    ({"hls": "stream", "target_ii": 0}, "^target_ii: must be a number of cycles, 1 or more, not 0$"),
])  # fmt: skip
def test_options_that_do_not_go_together(options, message, tmp_path):
    for function in (
        hwshift.verify,
        lambda *rest, **more: hwshift.generate(rest[0], tmp_path / "out", rest[1], **more),
    ):
        with pytest.raises(ConfigError, match=message):
            function(NETWORK, CONFIG, **options)
    assert not (tmp_path / "out").exists()


def test_the_public_interface(tmp_path, monkeypatch, rtl_builds):
    monkeypatch.setenv("HWSHIFT_CACHE_DIR", str(rtl_builds))
    assert hwshift.verify(NETWORK, CONFIG, hls="stream").ok
    assert (
        hwshift.generate(NETWORK, tmp_path / "out", CONFIG, hls="stream").estimate.target_ii == PLAN.target_ii
    )


# -- folding -----------------------------------------------------------------------------------------------------


def test_folding_keeps_to_the_target():
    for target in (8000, 2000, 700, 510):
        plan = plan_stream(NETWORK, CONFIG, target)
        for process in plan.processes:
            assert process.channels % process.lanes == 0
            if process.kind == "matrix":
                work = process.work
                inside = work.taps * work.channels // process.lanes
                assert work.pixels * inside * (work.out_channels // process.out_lanes) <= target


def test_without_a_target_the_array_sets_it():
    plan = plan_stream(NETWORK, CONFIG)
    assert plan.multipliers <= 16
    faster = plan_stream(NETWORK, PRESETS["8x8"])
    assert 16 < faster.multipliers <= 64
    assert faster.target_ii < plan.target_ii
    assert plan_stream(NETWORK, CONFIG, plan.target_ii).multipliers == plan.multipliers
