"""The engine as C++: bit-exact on drawn programs, refusals by name, and a testbench that can fail."""

import json
import shutil
import subprocess
from dataclasses import replace

import pytest

import hwshift.hls.engine as engine
from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.data import Images, load_data
from hwshift.errors import CompileError, SimulationError
from hwshift.hls.build import SANITIZE, build_testbench, run_testbench
from hwshift.hls.engine import check_program, engine_sources
from hwshift.hls.generation import engine_project, generate_hls
from hwshift.hls.verification import verify_hls, verify_hls_program
from hwshift.network.random import csc_network, mixed_network
from hwshift.program.instruction import encode
from hwshift.program.isa import INSTRUCTION_BYTES, Opcode
from hwshift.program.registers import ErrorCode
from hwshift.resolve import load_network, prepare
from hwshift.zoo.trained import TRAINED

from ..seeds import generator
from ..sim.drawn import REFUSALS, draw_for, draw_row_taps, first_good
from .projects import codes, config_of, pairwise, write

CONFIG = PRESETS["4x4"]
NETWORK = prepare(csc_network(4, 6, 5, 2, stride2=(1,), classes=3, seed=1), CONFIG)
IMAGES = Images.of(load_data(None, shape=NETWORK.input.shape, limit=2, seed=5), NETWORK.act)
PROGRAM = compile_network(NETWORK, CONFIG)
PAIRS = pairwise()


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    return generate_hls(NETWORK, CONFIG, tmp_path_factory.mktemp("engine") / "design", IMAGES)


@pytest.fixture(scope="module")
def bench(design, rtl_builds):
    """The testbench as a program."""
    files = {name: (design.folder / name).read_bytes() for name in design.files}
    return build_testbench(files, rtl_builds)


@pytest.fixture
def copy(design, tmp_path):
    return shutil.copytree(design.folder, tmp_path / "copy")


def change(path, address, mask=1):
    data = bytearray(path.read_bytes())
    data[address] ^= mask
    path.write_bytes(data)


def test_the_program_image_is_the_same_as_the_rtls(design):
    assert (design.folder / "vectors" / "memory.bin").read_bytes() == PROGRAM.memory_image().tobytes()


def test_files_are_the_same_again_and_name_no_place(design, tmp_path):
    again = generate_hls(NETWORK, CONFIG, tmp_path / "again", IMAGES)
    assert again.files == design.files
    for name in design.files:
        content = (design.folder / name).read_bytes()
        assert content == (again.folder / name).read_bytes(), name
        assert b"/work" not in content and str(tmp_path).encode() not in content, name
    assert {"Makefile", "README.md", "run_hls.tcl", "config.toml", "src/engine.cpp"} <= set(design.files)
    assert b"UNTESTED" in (design.folder / "run_hls.tcl").read_bytes()


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_make_test(copy, compiler):
    if compiler == "clang++" and shutil.which(compiler) is None:
        pytest.skip("clang++ is not installed")
    done = subprocess.run(
        ["make", "-C", copy, "test", f"CXX={compiler}", "CXXFLAGS=-O0"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"PASS: 2 images, {PROGRAM.size} bytes each, 0 differ" in done.stdout


@pytest.mark.parametrize("what", ["value", "unused lane", "outside", "input"])
def test_one_changed_bit_fails(copy, bench, what):
    record = PROGRAM.tensor("classifier" if what == "unused lane" else "m0")
    path = copy / "vectors" / ("input_1.bin" if what == "input" else "expected_1.bin")
    address, told = {
        "value": (
            record.address + 4 * (4 + 2),
            "image 1: layer 'm0', pixel (y=0, x=1), slot 0, bank 2: byte ",
        ),
        "unused lane": (
            record.address + 4 * 3,
            "image 1: layer 'classifier', pixel (y=0, x=0), slot 0, bank 3: byte ",
        ),
        "outside": (16, "image 1: address 0x10, in no map: byte 0x10: expected 0x01, got 0x00"),
        "input": (9, "image 1: layer 'input', pixel (y=0, x=0), slot 0, bank 2: byte "),
    }[what]
    assert run_testbench(bench, copy / "vectors")[0]
    change(path, address)
    passed, printed = run_testbench(bench, copy / "vectors")
    assert not passed
    assert told in printed
    assert printed.splitlines()[-1].startswith("FAIL: 2 images")


@pytest.mark.parametrize(("opcode", "fields", "code"), [
    (Opcode.HEADER, {"magic": 1}, ErrorCode.BAD_HEADER),
    (Opcode.HEADER, {"version": 9}, ErrorCode.BAD_HEADER),
    (Opcode.HEADER, {"config_hash": 1}, ErrorCode.CONFIG_MISMATCH),
    (Opcode.LOAD, {"kind": 7}, ErrorCode.BAD_OPCODE),
    (Opcode.LOAD, {"address": 1 << 30}, ErrorCode.READ_REGION),
    (Opcode.STORE, {"address": 0}, ErrorCode.WRITE_REGION),
    (Opcode.COMPUTE, {"act": 3}, ErrorCode.BAD_OPCODE),
    (Opcode.END, None, ErrorCode.PROGRAM_END),
])  # fmt: skip
def test_errors_are_the_rtls(copy, bench, opcode, fields, code):
    items = PROGRAM.instructions
    index = next(i for i, item in enumerate(items) if item.opcode == opcode)
    item = items[1] if fields is None else items[index].with_(**fields)
    memory = bytearray((copy / "vectors" / "memory.bin").read_bytes())
    at = PROGRAM.program_base + index * INSTRUCTION_BYTES
    memory[at : at + INSTRUCTION_BYTES] = encode(item).astype("<u4").tobytes()
    (copy / "vectors" / "memory.bin").write_bytes(memory)
    passed, printed = run_testbench(bench, copy / "vectors")
    assert not passed
    assert printed.startswith(f"image 0: the run ended with error {code.value} ({code.name}: ")


def test_a_check_inside_stops_the_run(copy, bench):
    """What the compiler guarantees is asserted: here, that words lie inside the buffer."""
    items = PROGRAM.instructions
    index = next(i for i, item in enumerate(items) if item.opcode == Opcode.COMPUTE)
    memory = bytearray((copy / "vectors" / "memory.bin").read_bytes())
    at = PROGRAM.program_base + index * INSTRUCTION_BYTES
    memory[at : at + INSTRUCTION_BYTES] = encode(items[index].with_(out_base=60000)).astype("<u4").tobytes()
    (copy / "vectors" / "memory.bin").write_bytes(memory)
    with pytest.raises(SimulationError, match=r"a word lies outside the shift buffer$"):
        run_testbench(bench, copy / "vectors")


# -- what a program may hold -------------------------------------------------------------------------------------


def changed(**fields):
    items = list(PROGRAM.instructions)
    index = next(i for i, item in enumerate(items) if item.opcode == Opcode.COMPUTE)
    items[index] = items[index].with_(**fields)
    return index, replace(PROGRAM, instructions=tuple(items))


def test_an_unknown_field_is_refused(monkeypatch):
    check_program(PROGRAM)
    known = dict(engine._SUPPORTED)
    known["COMPUTE"] = tuple(name for name in known["COMPUTE"] if name != "relu_fetch")
    monkeypatch.setattr(engine, "_SUPPORTED", known)
    check_program(PROGRAM)  # nothing sets it
    index, program = changed(relu_fetch=1)
    with pytest.raises(
        CompileError,
        match=rf"^csc-1: instruction {index}: the HLS engine does not know the field relu_fetch = 1 of COMPUTE$",
    ):
        check_program(program)


def test_an_unknown_choice_is_refused():
    items = list(PROGRAM.instructions)
    index = next(i for i, item in enumerate(items) if item.opcode == Opcode.LOAD)
    items[index] = items[index].with_(kind=7)
    with pytest.raises(
        CompileError,
        match=rf"instruction {index}: the HLS engine does not know kind = 7; known: MAP, INPUT, WEIGHTS, .*$",
    ):
        check_program(replace(PROGRAM, instructions=tuple(items)))


def test_an_unknown_operation_is_refused(monkeypatch):
    monkeypatch.setattr(
        engine, "_SUPPORTED", {k: v for k, v in engine._SUPPORTED.items() if k != "ACTIVATION"}
    )
    network = prepare(mixed_network(0), CONFIG)
    with pytest.raises(CompileError, match="the HLS engine does not know the operation ACTIVATION$"):
        check_program(compile_network(network, CONFIG))


def test_too_many_loads_of_weights(monkeypatch):
    monkeypatch.setattr(engine, "WEIGHT_JOBS", 0)
    with pytest.raises(CompileError, match="1 loads of weights wait for the array, the HLS engine holds 0$"):
        check_program(PROGRAM)


def test_a_refusal_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_ACTS", ("NONE",))
    with pytest.raises(CompileError, match="does not know act = RELU; known: NONE$"):
        generate_hls(NETWORK, CONFIG, tmp_path / "out", IMAGES)
    assert list(tmp_path.iterdir()) == []


def test_every_field_of_the_instruction_set_is_decoded():
    """A new field appears in the header by itself; whether the C++ interprets it is `_SUPPORTED`'s to say."""
    from hwshift.program.isa import FORMATS

    header = engine_sources(CONFIG)["src/hwshift_isa.h"].decode()
    for opcode, layout in FORMATS.items():
        for name, item in layout.by_name.items():
            if name != "opcode" and opcode != Opcode.END:
                assert f"    out.{name} = get_bits<{item.width}>(words, {layout.offsets[name]});" in header


# -- agreement ---------------------------------------------------------------------------------------------------


def drawn_case(index):
    """A program for the index-th configuration of the pairwise set."""
    rng = generator(index)
    config = config_of(PAIRS[index])
    for _ in range(400):
        try:
            return draw_for(config, rng)
        except REFUSALS:
            continue
    raise AssertionError(f"no program fits {config}")


def check(index, folder, flags=()):
    program, network = drawn_case(index)
    images = codes(network, 2, index)
    if not flags:
        report = verify_hls_program(program, network, images, build_dir=folder)
        assert report.ok, (program.config, report.differences)
        assert report.values_compared > 0
        return
    files = engine_project(program, network, Images(images, "drawn"))
    program_path = build_testbench(files, folder / "builds", flags=flags)
    passed, printed = run_testbench(program_path, write(files, folder / "project") / "vectors")
    assert passed, printed


def test_pairs_are_all_there():
    for a in PAIRS[0]:
        for b in PAIRS[0]:
            if a < b and {a, b} != {"bus", "act"}:
                met = {(str(choice[a]), str(choice[b])) for choice in PAIRS}
                values = [{str(choice[name]) for choice in PAIRS} for name in (a, b)]
                assert len(met) == len(values[0]) * len(values[1]), (a, b)


@pytest.mark.parametrize("index", [5, 11])
def test_drawn_programs(index, rtl_builds):
    check(index, rtl_builds)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(PAIRS)))
def test_all_pairs(index, rtl_builds):
    check(index, rtl_builds)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
def test_row_taps(seed, rtl_builds):
    rng = generator(seed)
    program, network = first_good(lambda: draw_row_taps(rng))
    report = verify_hls_program(program, network, codes(network, 2, seed), build_dir=rtl_builds)
    assert report.ok, (program.config, report.differences)
    assert report.values_compared > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_trained_networks(name, rtl_builds):
    config = PRESETS["16x16" if name.endswith("pow2") else "16x16x4-mac"]
    network = prepare(load_network(name), config)
    report = verify_hls(network, config, codes(network, 1), build_dir=rtl_builds)
    assert report.ok, report.differences


@pytest.mark.soak
def test_shiftnet_a(rtl_builds):
    """Eleven million values in 53 layers."""
    config = PRESETS["16x16"]
    network = prepare(load_network("ShiftNet-A"), config)
    report = verify_hls(network, config, codes(network, 1), build_dir=rtl_builds)
    assert report.ok, report.differences
    assert report.values_compared > 10_000_000


@pytest.mark.slow
@pytest.mark.parametrize("index", [2, 7, 13])
def test_sanitizers(index, tmp_path):
    check(index, tmp_path, SANITIZE)


def test_a_difference_names_its_place(rtl_builds, monkeypatch):
    import hwshift.hls.verification as verification

    def wrong(program, network, images):
        files = engine_project(program, network, images)
        data = bytearray(files["vectors/expected_0.bin"])
        data[program.tensor("m0").address + 4 * (5 * 4 + 1)] ^= 2
        return files | {"vectors/expected_0.bin": bytes(data)}

    monkeypatch.setattr(verification, "engine_project", wrong)
    report = verify_hls_program(PROGRAM, NETWORK, IMAGES.codes, build_dir=rtl_builds)
    assert not report.ok
    assert report.mismatches == 1
    assert report.differences[0].startswith(
        "C simulation, image 0: layer 'm0', channel 1, pixel (y=1, x=0): expected "
    )
    assert json.dumps(report.as_dict())
