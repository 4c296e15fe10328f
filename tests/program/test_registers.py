"""Tests of the register map and the counters."""

import re
import shutil
import subprocess

import pytest

from hwshift.program.counters import CAUSES, COUNTER_BITS, COUNTERS, Cause
from hwshift.program.registers import (
    APERTURE,
    ERRORS,
    REGISTER,
    REGISTERS,
    Access,
    ErrorCode,
    Launch,
    counter_offset,
    render_c_header,
    render_markdown,
)
from hwshift.timing import COMMAND_QUEUE

LAUNCH = Launch(
    program_base=0x100, program_count=9, program_limit=0xFFF, read_base=0x12_3456_7800, read_limit=0x1FFF,
    write_base=0x2000, write_limit=0x3_0000_2FFF, watchdog=77, cycle_limit=99,
)  # fmt: skip


def test_offsets_are_words_in_order():
    offsets = [item.offset for item in REGISTERS]
    assert offsets == sorted(set(offsets))
    assert all(offset % 4 == 0 and offset < APERTURE for offset in offsets)


def test_names_are_unique_and_found():
    assert len(REGISTER) == len(REGISTERS)
    assert all(REGISTER[item.name] is item for item in REGISTERS)


@pytest.mark.parametrize("register", REGISTERS, ids=lambda item: item.name)
def test_fields(register):
    covered = 0
    for field in register.fields:
        assert field.width > 0 and 0 <= field.low and field.low + field.width <= 32
        assert covered & field.mask == 0
        covered |= field.mask
        assert register.by_name[field.name] is field
        assert field.extract(field.mask) == (1 << field.width) - 1
        assert field.extract(~field.mask & 0xFFFFFFFF) == 0
    assert register.mask == (covered or 0xFFFFFFFF)
    assert register.reset is None or register.reset & ~register.mask == 0
    assert register.doc


def test_unpack():
    assert REGISTER["CONTROL"].unpack(0b0110) == {"start": 0, "soft_reset": 1, "queue": 1, "snapshot": 0}
    status = REGISTER["STATUS"].unpack(0x0901)
    assert {name: value for name, value in status.items() if value} == {"busy": 1, "error": 9}


def test_what_a_run_needs_can_be_set_during_another():
    assert all(REGISTER[name].access is Access.RW for name in LAUNCH.registers())


def test_text_about_the_queue_of_runs():
    assert f"refused if {COMMAND_QUEUE} wait" in REGISTER["CONTROL"].by_name["queue"].doc
    assert REGISTER["STATUS"].by_name["queued"].extract(0xFFFFFFFF) >= COMMAND_QUEUE


def test_causes_and_counters():
    assert [cause.name for cause in Cause] == [
        "BUSY", "PORT", "DRAIN", "WEIGHT_LOAD", "WEIGHT_WAIT", "TOKEN_FULL", "WAIT_LOAD", "WAIT_STORE",
        "SETUP", "FETCH", "TAIL",
    ]  # fmt: skip
    assert list(Cause) == list(range(len(Cause))) == list(CAUSES)
    assert [counter.cause for counter in COUNTERS if counter.cause is not None] == list(Cause)
    assert len({counter.name for counter in COUNTERS}) == len(COUNTERS)


def test_counters_have_two_words_each():
    for index, counter in enumerate(COUNTERS):
        low, high = (REGISTER[f"COUNT_{counter.name.upper()}_{half}"] for half in ("LO", "HI"))
        assert (low.offset, high.offset) == (counter_offset(index), counter_offset(index) + 4)
        assert low.access is high.access is Access.RO
        assert high.mask == (1 << (COUNTER_BITS - 32)) - 1


def test_error_codes():
    assert list(ErrorCode) == list(range(len(ErrorCode))) == list(ERRORS)
    assert max(ErrorCode) <= REGISTER["STATUS"].by_name["error"].extract(0xFFFFFFFF)


def test_launch():
    values = LAUNCH.registers()
    assert set(values) <= set(REGISTER)
    assert (values["READ_BASE_LO"], values["READ_BASE_HI"]) == (0x34567800, 0x12)
    assert (values["WRITE_LIMIT_LO"], values["WRITE_LIMIT_HI"]) == (0x2FFF, 3)
    assert [values[name] for name in ("PROGRAM_COUNT", "WATCHDOG", "CYCLE_LIMIT")] == [9, 77, 99]


@pytest.mark.parametrize(("name", "value", "message"), [
    ("read_base", -1, "read_base must be an address of 64 bits, not -1"),
    ("write_limit", 1 << 64, "write_limit must be an address of 64 bits, not 18446744073709551616"),
    ("watchdog", 1 << 32, "watchdog must be a number of 32 bits, not 4294967296"),
    ("program_count", -5, "program_count must be a number of 32 bits, not -5"),
])  # fmt: skip
def test_launch_that_does_not_fit(name, value, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        Launch(**{**LAUNCH.__dict__, name: value}).registers()


def test_markdown_names_everything():
    text = render_markdown()
    for item in REGISTERS:
        assert f"| 0x{item.offset:03X} | {item.name} | {item.access.name} |" in text
    for code in ErrorCode:
        assert f"| {code.name} | {int(code)} |" in text
    assert "| STATUS | 15..8 | error |" in text
    for table in text.split("\n\n"):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_c_header_compiles(tmp_path):
    compiler = shutil.which("cc") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "registers.h").write_text(render_c_header())
    lines = ['#include "registers.h"', '#include "registers.h"']
    for item in REGISTERS:
        lines.append(f"typedef char {item.name}_[HWSHIFT_{item.name} == {item.offset} ? 1 : -1];")
        for field in item.fields:
            name = f"HWSHIFT_{item.name}_{field.name.upper()}"
            mask = f"{name}_MASK == {field.mask}u && {name}_SHIFT == {field.low}"
            lines.append(f"typedef char {item.name}_{field.name}_[{mask} ? 1 : -1];")
    lines += [
        f"typedef char {code.name}_[HWSHIFT_ERROR_{code.name} == {int(code)} ? 1 : -1];" for code in ErrorCode
    ]
    (tmp_path / "check.c").write_text("\n".join([*lines, ""]))
    flags = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c"]
    done = subprocess.run([compiler, *flags, "check.c"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
