"""Tests of `hwshift.generation`: the folder, its bytes, and its bench as a user runs it."""

import ast
import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hwshift.generation
from hwshift.config import PRESETS, load_config
from hwshift.data import Images, load_data
from hwshift.errors import CompileError, MismatchError, ProgramError
from hwshift.generation import generate, memory_hex, toml_text
from hwshift.golden import trace
from hwshift.network.random import csc_network
from hwshift.program.file import load_program
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.tools import simulator_env


def noise(network, count=1, seed=0):
    return Images.of(load_data(None, shape=network.input.shape, limit=count, seed=seed), network.act)


CONFIG = PRESETS["4x4"]
NETWORK = prepare(csc_network(4, 4, 4, 1, classes=3, seed=1), CONFIG)
IMAGES = noise(NETWORK, 2, 5)
FILES = {
    "README.md", "config.toml", "constants.json", "filelist.f", "registers.h", "registers.md", "rtl/hwshift_core.v",
    "hwshift_core.core", "constraints/hwshift_core.lpf", "constraints/hwshift_core.xdc",
    "program/memory.bin", "program/memory.hex", "program/program.hwprog", "program/program.txt",
    "tb/Makefile", "tb/axi_checker.v", "tb/axi_lite_checker.v", "tb/axi_memory.v",
    "tb/bench_core.py", "tb/memory_difference.py", "tb/tb_top.v",
    "tb/test_core.py", "tb/vectors/expected.json", "tb/vectors/expected_0.bin", "tb/vectors/expected_1.bin",
    "tb/vectors/job.json", "tb/vectors/memory_0.bin", "tb/vectors/memory_1.bin", "tb/vectors/tensors.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def design(tmp_path_factory, rtl_builds):
    return generate(
        NETWORK, CONFIG, tmp_path_factory.mktemp("generate") / "design", IMAGES, build_dir=rtl_builds
    )


@pytest.fixture
def copy(design, tmp_path):
    """A copy of the design that a test may change."""
    return Path(shutil.copytree(design.folder, tmp_path / "copy"))


@pytest.fixture
def core_text(monkeypatch, tmp_path):
    """Stands in for the Verilog where a test is about something else."""
    path = tmp_path / "core.v"
    path.write_text("module hwshift_core; endmodule\n")
    monkeypatch.setattr(hwshift.generation, "core_file", lambda config, folder: path)  # noqa: ARG005


def make(folder, simulator, *arguments):
    """``make -C <folder>/tb`` in the environment of a user who has cocotb and a simulator."""
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    return subprocess.run(["make", "-C", folder / "tb", f"SIM={simulator}", *arguments],
                          env=env, capture_output=True, text=True)  # fmt: skip


def test_files(design):
    found = {
        file.relative_to(design.folder).as_posix() for file in design.folder.rglob("*") if file.is_file()
    }
    assert found == FILES == set(design.files)


def test_two_runs_give_the_same_bytes(design, tmp_path, rtl_builds):
    again = generate(NETWORK, CONFIG, tmp_path / "again", IMAGES, build_dir=rtl_builds).folder
    equal, different, failed = filecmp.cmpfiles(design.folder, again, FILES, shallow=False)
    assert (set(equal), different, failed) == (FILES, [], [])


def test_no_file_names_a_place_on_this_machine(design):
    for name in FILES:
        content = (design.folder / name).read_bytes()
        for place in (design.folder, Path(hwshift.__file__).parent, Path.home()):
            assert str(place).encode() not in content, name


def test_program_files(design):
    folder = design.folder / "program"
    program = load_program(folder / "program.hwprog", CONFIG)
    image = program.memory_image()
    assert (folder / "memory.bin").read_bytes() == image.tobytes()
    words, address = np.zeros((program.size // 8, 8), np.uint8), 0
    for line in (folder / "memory.hex").read_text().split():
        if line.startswith("@"):
            address = int(line[1:], 16)
        else:
            words[address] = np.frombuffer(bytes.fromhex(line), np.uint8)[::-1]
            address += 1
    assert words.tobytes() == image.tobytes()
    assert (folder / "program.txt").read_text().splitlines()[0].startswith("HEADER version=4 ")


def test_configuration_and_constants(design):
    assert load_config(design.folder / "config.toml") == CONFIG
    constants = json.loads((design.folder / "constants.json").read_text())
    assert constants["config_hash"] == CONFIG.hash
    assert constants["timing"]["read_bursts"] == 4
    assert constants["launch"]["PROGRAM_COUNT"] == len(design.program.instructions)


def test_expected_memory_holds_the_golden_results(design):
    for index, image in enumerate(IMAGES.codes):
        memory = np.fromfile(design.folder / f"tb/vectors/expected_{index}.bin", np.uint8)
        maps = trace(NETWORK, CONFIG.arithmetic, image)
        assert len(design.program.tensors) == len(maps)
        for record in design.program.tensors:
            np.testing.assert_array_equal(
                design.program.read_tensor(memory, record.layer), maps[record.layer]
            )


def test_expected_counters(design):
    expected = json.loads((design.folder / "tb/vectors/expected.json").read_text())
    assert expected["counters"] == simulate_cycles(design.program)
    assert expected["counters"]["total"] == design.cycles


def test_the_bench_imports_cocotb_and_the_standard_library_only(design):
    files = list((design.folder / "tb").glob("*.py"))
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                root = name.partition(".")[0]
                assert root in {"cocotb", *(file.stem for file in files), *sys.stdlib_module_names}, file.name


def test_bench_without_cocotb_says_so(design):
    path = os.defpath
    if shutil.which("cocotb-config", path=path):
        pytest.skip("cocotb is installed for the whole system")
    done = subprocess.run(
        ["make", "-C", design.folder / "tb"], env={"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "cocotb-config is not on the path: pip install" in done.stderr


def test_bench_passes(copy, simulator):
    done = make(copy, simulator)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TESTS=1 PASS=1 FAIL=0" in done.stdout
    assert "image 1: " in done.stdout


@pytest.mark.parametrize("change", ["value", "unused lane", "outside", "counter", "input"])
def test_bench_fails_when_anything_differs(copy, design, change):
    simulator_env("icarus")
    vectors, program = copy / "tb" / "vectors", design.program
    if change == "counter":
        expected = json.loads((vectors / "expected.json").read_text())
        expected["counters"]["load_beats"] += 1
        (vectors / "expected.json").write_text(json.dumps(expected))
        message = "image 0: counter load_beats: expected "
    elif change == "input":
        flip(vectors / "memory_1.bin", program.tensors[0].address + 8)
        message = "image 1: layer 'input', "
    else:
        record = program.tensor("classifier" if change == "unused lane" else "m0")
        offset, what = {
            "value": (4 * ((2 * 4 + 1) * 4 + 3), "layer 'm0', channel 3, pixel (y=2, x=1): expected "),
            "unused lane": (
                4 * 3,
                "layer 'classifier', unused lane (slot 0, bank 3), pixel (y=0, x=0): expected 1, got 0",
            ),
            "outside": (-record.address + 16, "address 0x10, in no map: expected 0x01, got 0x00"),
        }[change]
        flip(vectors / "expected_1.bin", record.address + offset)
        message = f"image 1: {what}"
    done = make(copy, "icarus")
    assert done.returncode != 0
    assert message in done.stdout
    assert "FAIL=1" in done.stdout


def flip(path, address):
    data = bytearray(path.read_bytes())
    data[address] ^= 1
    path.write_bytes(data)


@pytest.mark.usefixtures("core_text")
class TestFolder:
    def test_not_empty(self, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("keep")
        with pytest.raises(
            ProgramError, match=r"out: the folder is not empty: name another, or replace it with --force$"
        ):
            generate(NETWORK, CONFIG, tmp_path / "out", IMAGES)
        assert (tmp_path / "out" / "mine").read_text() == "keep"

    def test_empty_or_missing(self, tmp_path):
        (tmp_path / "empty").mkdir()
        for name in ("empty", "new/below"):
            assert (generate(NETWORK, CONFIG, tmp_path / name, IMAGES).folder / "filelist.f").is_file()

    def test_force(self, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "old").write_text("")
        generate(NETWORK, CONFIG, tmp_path / "out", IMAGES, force=True)
        assert not (tmp_path / "out" / "old").exists()
        assert sorted(item.name for item in tmp_path.iterdir()) == ["core.v", "out"]

    def test_force_spares_the_present_folder(self, tmp_path, monkeypatch):
        (tmp_path / "out" / "below").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "out" / "below")
        with pytest.raises(ProgramError, match=r"out: the folder holds .*below: name another$"):
            generate(NETWORK, CONFIG, tmp_path / "out", IMAGES, force=True)

    def test_a_file(self, tmp_path):
        (tmp_path / "out").write_text("")
        with pytest.raises(ProgramError, match=r"out: is no folder$"):
            generate(NETWORK, CONFIG, tmp_path / "out", IMAGES, force=True)

    def test_parent_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ProgramError, match=r"file/out: cannot be written: "):
            generate(NETWORK, CONFIG, tmp_path / "file" / "out", IMAGES)

    def test_an_error_leaves_nothing(self, tmp_path):
        small = CONFIG.with_(feature_depth=16)
        big = prepare(csc_network(16, 12, 12, 1, seed=1), small)
        images = noise(big)
        with pytest.raises(CompileError):
            generate(big, small, tmp_path / "out", images)
        assert [item.name for item in tmp_path.iterdir()] == ["core.v"]

    @pytest.mark.parametrize("old", [False, True])
    def test_a_failed_write_leaves_what_was_there(self, tmp_path, monkeypatch, old):
        if old:
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "old").write_text("")
        rename = os.rename

        def fail(source, target):
            if Path(source).name == "new":
                raise OSError(28, "No space left on device")
            rename(source, target)

        monkeypatch.setattr(os, "rename", fail)
        with pytest.raises(ProgramError, match=r"out: cannot be written: No space left on device$"):
            generate(NETWORK, CONFIG, tmp_path / "out", IMAGES, force=True)
        assert sorted(item.name for item in tmp_path.iterdir()) == (["core.v", "out"] if old else ["core.v"])
        assert not old or (tmp_path / "out" / "old").is_file()

    def test_a_wrong_program_is_not_written(self, tmp_path, monkeypatch):
        def wrong(program, image):
            memory = program.memory_image(image)
            return memory, None

        monkeypatch.setattr(hwshift.generation, "run_program", wrong)
        with pytest.raises(
            MismatchError, match=r"csc-1: the program and the golden model differ: layer 'stem', "
        ):
            generate(NETWORK, CONFIG, tmp_path / "out", IMAGES)
        assert not (tmp_path / "out").exists()


def test_memory_hex():
    memory = np.zeros(32, np.uint8)
    memory[[0, 9, 23]] = 1, 2, 255
    assert memory_hex(memory, 4) == "@0\n00000001\n@2\n00000200\n@5\nff000000\n"
    assert memory_hex(np.zeros(8, np.uint8), 4) == ""


def test_toml_text():
    assert toml_text({"a": 1, "b": None, "c": [-7, 0], "d": 'q"', "e": True}) == (
        'a = 1\nc = [-7, 0]\nd = "q\\""\ne = true\n'
    )
