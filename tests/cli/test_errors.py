"""Every known error of the compiling commands is one line with its own exit code, and nothing is written."""

import pytest

NETS = "built-in: csc-small, mixed"
COMMANDS = {
    "compile": ["--out", "out"],
    "generate": ["--out", "out"],
    "verify": ["--simulator", "none"],
    "simulate": [],
}


def one_line(done, code, *words):
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("hwshift: error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("net", "config", "code", "words"), [
    ("nope", "4x4", 4, ["nope: no such network; ", NETS, ".hwnet"]),
    ("mixed", "5x5", 3, ["no preset or TOML file named '5x5'; presets: 4x4, "]),
], ids=["net", "config"])  # fmt: skip
def test_unknown_names(hwshift, command, net, config, code, words):
    done = hwshift(command, net, "--config", config, *COMMANDS[command])
    one_line(done, code, *words)
    assert list(hwshift.folder.iterdir()) == []


@pytest.mark.parametrize(("toml", "code", "words"), [
    ('preset = "8x8"\ncolumns = 16\n', 3, ["columns must divide rows: 16 does not divide 8"]),
    ('preset = "4x4"\nfeature_depth = 16\n', 6, ["strided: one output pixel of 4 channels needs 91 words", "is 16: "]),
    ("rows = \n", 3, ["not readable as TOML"]),
    ("lanes = 3\n", 3, ["unknown field 'lanes'; allowed: "]),
])  # fmt: skip
def test_configurations(hwshift, tmp_path, toml, code, words):
    path = tmp_path / "own.toml"
    path.write_text(toml)
    one_line(hwshift("generate", "mixed", "--config", path, "--out", "out"), code, *words)
    assert list(hwshift.folder.iterdir()) == []


def test_fixed_weights_on_shift_add(hwshift):
    done = hwshift("generate", "mixed", "--config", "4x4", "--weights", "fixed", "--out", "out")
    one_line(done, 5, "stem_relu: Q16.16 weights cannot run on a shift_add array: convert to pow2")


def test_program_for_another_configuration(hwshift, tiny):
    assert hwshift("compile", tiny, "--config", "4x4", "--out", "a.hwprog").returncode == 0
    words = ["csc-1: the program is for the configuration 0x", " (4x4), not for 0x", " (8x8)"]
    one_line(hwshift("disassemble", "a.hwprog", "--config", "8x8"), 7, *words)
    one_line(hwshift("verify", tiny, "--config", "8x8", "--program", "a.hwprog"), 7, *words)


def test_damaged_files(hwshift):
    (hwshift.folder / "bad.hwprog").write_bytes(b"no zip")
    (hwshift.folder / "bad.hwnet").write_bytes(b"no zip")
    (hwshift.folder / "bad.txt").write_bytes(b"")
    one_line(hwshift("disassemble", "bad.hwprog"), 7, "bad.hwprog: damaged program file: ")
    one_line(hwshift("disassemble", "none.hwprog"), 7, "none.hwprog: cannot be read: No such file")
    one_line(hwshift("simulate", "bad.hwnet", "--config", "4x4"), 4, "bad.hwnet: damaged network file: ")
    one_line(hwshift("simulate", "none.hwnet", "--config", "4x4"), 4, "none.hwnet: no such network file")
    one_line(
        hwshift("simulate", "bad.txt", "--config", "4x4"), 4, "bad.txt: a network file must end in .hwnet"
    )


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_missing_simulator(hwshift, tiny, tmp_path, simulator):
    path = tmp_path / "empty"
    path.mkdir()
    done = hwshift("verify", tiny, "--config", "4x4", "--simulator", simulator, path=path)
    one_line(done, 10, "not found; comes with ")


def test_folder_that_is_not_empty(hwshift, tiny):
    (hwshift.folder / "out").mkdir()
    (hwshift.folder / "out" / "mine").write_text("")
    done = hwshift("generate", tiny, "--config", "4x4", "--out", "out")
    one_line(done, 7, "out: the folder is not empty: name another, or replace it with --force")


@pytest.mark.parametrize("arguments", [
    ["generate", "mixed", "--config", "4x4"],
    ["verify", "mixed"],
    ["verify", "mixed", "--config", "4x4", "--stalls", "1"],
    ["verify", "mixed", "--config", "4x4", "--images", "0"],
    ["simulate", "mixed", "--config", "4x4", "--latency", "0"],
    ["simulate", "mixed", "--config", "4x4", "--clock", "nan"],
    ["simulate", "mixed", "--config", "4x4", "--clock", "inf"],
    ["simulate", "mixed", "--config", "4x4", "--stalls", "nan"],
    ["simulate", "mixed", "--config", "4x4", "--images", "2"],
    ["report", "mixed", "--config", "4x4", "--out", "x.html", "--images", "2"],
    ["disassemble"],
])  # fmt: skip
def test_wrong_usage(hwshift, arguments):
    done = hwshift(*arguments)
    assert done.returncode == 2
    assert "Usage: hwshift " in done.stderr
