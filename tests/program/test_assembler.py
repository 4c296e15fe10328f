"""Instructions, their words and their text."""

import numpy as np
import pytest

from hwshift.errors import ProgramError
from hwshift.program.assembler import assemble, disassemble, format_instruction
from hwshift.program.instruction import Instruction, decode, encode, to_words
from hwshift.program.isa import FORMATS, LoadKind, Opcode, Token

from ..seeds import generator
from .programs import resident, strips


def random_instruction(rng, opcode):
    fields = {}
    for item in FORMATS[opcode].fields[1:]:
        ends = [
            item.low,
            item.high,
            0,
            int(rng.integers(max(item.low, -9), min(item.high, 9), endpoint=True)),
        ]
        fields[item.name] = ends[int(rng.integers(4))]
    return Instruction(opcode, fields)


@pytest.mark.parametrize("opcode", list(Opcode))
def test_round_trips(opcode):
    rng = generator(int(opcode))
    items = tuple(random_instruction(rng, opcode) for _ in range(50))
    assert tuple(decode(encode(item)) for item in items) == items
    assert assemble(disassemble(items)) == items


@pytest.mark.parametrize("program", [strips, resident])
def test_compiled_programs_round_trip(program):
    items = program().instructions
    assert assemble(disassemble(items)) == items
    assert tuple(decode(row) for row in program().words()) == items


def test_text():
    load = Instruction(Opcode.LOAD, {"kind": LoadKind.KTILES, "pop": Token.COMPUTE_LOAD | Token.STORE_LOAD,
                                     "address": 4096, "count": 3, "rows": 1})  # fmt: skip
    assert (
        format_instruction(load)
        == "LOAD pop=COMPUTE_LOAD+STORE_LOAD kind=KTILES rows=1 address=0x1000 count=3"
    )
    text = "# a program\nEND  # nothing else\n\nLOAD pop=18 kind=KTILES rows=1 address=4096 count=3\n"
    assert assemble(text) == (Instruction(Opcode.END), load)


@pytest.mark.parametrize(("line", "message"), [
    ("JUMP", "unknown operation 'JUMP'; known: END, HEADER, LOAD, DESCRIPTOR, ACTIVATION, COMPUTE, STORE"),
    ("END now", "a field is written name=value, not 'now'"),
    ("STORE rows=1 rows=2", "STORE has the field 'rows' twice"),
    ("STORE kind=MAP", "STORE has no field 'kind'"),
    ("STORE opcode=1", "STORE has no field 'opcode'"),
    ("STORE rows=many", "rows cannot be 'many'"),
    ("LOAD kind=FOO", "kind cannot be 'FOO'"),
    ("LOAD pop=LOAD_COMPUTE+X", "pop cannot be 'LOAD_COMPUTE+X'"),
    ("STORE rows=65536", "STORE.rows must lie in 0..65535, not 65536"),
])  # fmt: skip
def test_errors_name_the_line(line, message):
    with pytest.raises(ProgramError) as caught:
        assemble(f"HEADER\n# comment\n{line}\n")
    assert str(caught.value) == f"line 3: {message}"


def test_instruction():
    item = Instruction(Opcode.STORE, {"rows": 2})
    assert (item["rows"], item["width"], item.pop, item.push) == (2, 0, Token(0), Token(0))
    assert item.with_(rows=3) == Instruction(Opcode.STORE, {"rows": 3})
    assert len({item, item.with_(rows=3), Instruction(Opcode.STORE, {"rows": 2})}) == 2
    with pytest.raises(ProgramError, match="^STORE has no field 'colour'$"):
        Instruction(Opcode.STORE, {"colour": 1})


def test_words():
    assert to_words([]).shape == (0, 16)
    with pytest.raises(ProgramError, match=r"^an instruction has 16 words, not the shape \(3,\)$"):
        decode(np.zeros(3, np.uint32))
    with pytest.raises(ProgramError, match="^unknown operation 9$"):
        decode(np.array([9] + 15 * [0], np.uint32))
