"""Programs, memory images, files."""

import json
import zipfile

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.errors import ProgramError
from hwshift.program.file import load_program, save_program
from hwshift.program.image import Region

from .programs import resident, strips


def test_segments_are_apart_and_aligned():
    program = strips()
    end = 0
    for segment in program.segments:
        assert segment.base % 4096 == 0 and segment.base >= end
        end = segment.base + segment.size
    assert end <= program.size
    assert [segment.name for segment in program.segments] == ["program", "tables", "weights", "input", "maps"]
    assert program.program_base == program.segment("program").base


def test_region():
    region = Region(16, 31)
    assert region.holds(16, 16)
    assert not region.holds(15, 4) and not region.holds(30, 3)


def test_memory_image_holds_instructions_and_input():
    program = resident()
    x = np.arange(np.prod(program.tensors[0].shape)).reshape(program.tensors[0].shape) - 50
    memory = program.memory_image(x)
    words = memory[program.program_base :][: 64 * len(program.instructions)].view("<u4")
    np.testing.assert_array_equal(words.reshape(-1, 16), program.words())
    np.testing.assert_array_equal(program.read_tensor(memory, "input"), x)
    assert program.tensor("input").layout == "input"
    pixels = memory[program.segment("input").base :][: 4 * x.size].view("<i4")
    np.testing.assert_array_equal(pixels.reshape(6, 7, 3), x.transpose(1, 2, 0))
    assert not program.unused_lanes(memory, "input").any()


def test_refused_inputs():
    program = resident()
    with pytest.raises(
        ProgramError, match=r"^input: the input must be integers of the shape \(3, 6, 7\), not float64"
    ):
        program.memory_image(np.zeros((3, 6, 7)))
    with pytest.raises(ProgramError, match=r"^input: input codes must fit Q16.16, not 0..2147483648$"):
        x = np.zeros((3, 6, 7), np.int64)
        x[0, 0, 0] = 1 << 31
        program.memory_image(x)
    with pytest.raises(ProgramError, match="^nowhere: its map is not in memory; in memory: input, "):
        program.read_tensor(program.memory_image(), "nowhere")


@pytest.mark.parametrize("make", [strips, resident])
def test_file_round_trip(make, tmp_path):
    program, path = make(), tmp_path / "x.hwprog"
    save_program(program, path)
    again = load_program(path, program.config)
    assert again.instructions == program.instructions
    assert again.config == program.config
    assert (again.name, again.size, again.output) == (program.name, program.size, program.output)
    assert again.regions == program.regions
    assert again.layers == program.layers
    np.testing.assert_array_equal(again.memory_image(), program.memory_image())
    for one, other in zip(again.tensors, program.tensors, strict=True):
        assert (one.layer, one.shape, one.layout, one.parts) == (
            other.layer,
            other.shape,
            other.layout,
            other.parts,
        )
        np.testing.assert_array_equal(one.placement, other.placement)
    first = path.read_bytes()
    save_program(again, path)
    assert path.read_bytes() == first
    assert [item.name for item in tmp_path.iterdir()] == ["x.hwprog"]


def test_another_configuration_is_refused(tmp_path):
    program, path = resident(), tmp_path / "x.hwprog"
    save_program(program, path)
    with pytest.raises(ProgramError) as caught:
        load_program(path, PRESETS["32x32"])
    text = str(caught.value)
    assert f"0x{program.config.hash:08x}" in text and f"0x{PRESETS['32x32'].hash:08x}" in text


def rewrite(path, change):
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def edit(**values):
    def change(files):
        files["program.json"] = json.dumps(json.loads(files["program.json"]) | values).encode()

    return change


@pytest.mark.parametrize(("change", "message"), [
    (edit(format="other"), "this is no hwshift program file"),
    (edit(version=9), "file format version 9 is not supported, only 1"),
    (edit(config_hash=1), "damaged program file: the configuration's hash is"),
    (edit(regions=3), "damaged program file: "),
    (lambda files: files.pop("instructions.bin"), "damaged program file: "),
    (lambda files: files.update({"instructions.bin": b"x" * 64}), "damaged program file: unknown operation 8"),
    (lambda files: files.pop("placement/0.bin"), "damaged program file: "),
    (lambda files: files.update({"placement/1.bin": b""}), "damaged program file: the placement of "),
])  # fmt: skip
def test_damaged_files(change, message, tmp_path):
    path = tmp_path / "x.hwprog"
    save_program(resident(), path)
    rewrite(path, change)
    with pytest.raises(ProgramError) as caught:
        load_program(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_unreadable_and_unwritable(tmp_path):
    with pytest.raises(ProgramError, match="cannot be read: No such file"):
        load_program(tmp_path / "none.hwprog")
    (tmp_path / "junk.hwprog").write_bytes(b"junk")
    with pytest.raises(ProgramError, match="damaged program file: File is not a zip file"):
        load_program(tmp_path / "junk.hwprog")
    with pytest.raises(ProgramError, match="cannot be written: No such file"):
        save_program(resident(), tmp_path / "folder" / "x.hwprog")
