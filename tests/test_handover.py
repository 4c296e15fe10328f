"""Tests of the files for other tools."""

import re
import subprocess

from hwshift.config import PRESETS
from hwshift.handover import fusesoc_core, handover_files, lpf, xdc
from hwshift.program.registers import REGISTERS, render_c_header
from hwshift.tools import VERILATOR_WAIVED, require


def test_the_core_file_names_files_that_are_written():
    text = fusesoc_core(PRESETS["8x8"])
    assert text.startswith("CAPI=2:\n")
    named = set(re.findall(r"^      - (\S+/\S+)$", text, re.MULTILINE))
    assert named == {"rtl/hwshift_core.v", *(name for name in handover_files(PRESETS["8x8"]) if "/" in name)}
    assert all(f"-Wno-{name}" in text for name in VERILATOR_WAIVED)
    assert re.findall(r"^  (\w+):", text.split("targets:")[1], re.MULTILINE) == [
        "default",
        "lint",
        "xilinx",
        "ecp5",
    ]


def test_constraints_give_the_clock():
    assert "create_clock -name aclk -period 10.000 [get_ports aclk]" in xdc()
    assert "create_clock -name aclk -period 6.667 " in xdc(150)
    assert 'FREQUENCY PORT "aclk" 100 MHZ;' in lpf()


def test_the_c_header_compiles_and_has_the_map(tmp_path):
    (tmp_path / "registers.h").write_text(render_c_header())
    lines = [f'printf("%u\\n", HWSHIFT_{item.name});' for item in REGISTERS]
    source = (
        '#include <stdio.h>\n#include "registers.h"\nint main(void) {\n'
        + "\n".join(lines)
        + "\nreturn 0; }\n"
    )
    (tmp_path / "map.c").write_text(source)
    compiler = require("c++").path
    warnings = ("-Wall", "-Wextra", "-Werror", "-pedantic")
    command = [compiler, "-x", "c", *warnings, "-o", tmp_path / "map", tmp_path / "map.c"]
    subprocess.run(command, check=True)
    printed = subprocess.run([tmp_path / "map"], capture_output=True, text=True, check=True).stdout
    assert [int(word) for word in printed.split()] == [item.offset for item in REGISTERS]
