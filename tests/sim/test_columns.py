"""Programs as tables: every field of every instruction, as the instruction set unpacks it."""

import numpy as np

from hwshift.program import isa
from hwshift.sim.cycle.columns import COLUMNS, F, program_table

from ..seeds import generator


def test_every_field_of_random_words():
    rng = generator(0)
    opcodes = [*isa.FORMATS, *rng.choice(list(isa.FORMATS), 200).tolist()]
    words = rng.integers(0, 1 << 32, (len(opcodes), isa.INSTRUCTION_BYTES // 4), np.uint32)
    words[:, 0] = words[:, 0] & 0xFFFFFFF0 | np.array([int(opcode) for opcode in opcodes], np.uint32)
    table = program_table(words)
    for opcode, row, found in zip(opcodes, words, table, strict=True):
        fields = isa.FORMATS[isa.Opcode(opcode)].unpack(int.from_bytes(row.astype("<u4").tobytes(), "little"))
        wide = {name for name, value in fields.items() if value >= 1 << 63}
        expected = {name: value - (1 << 64 if name in wide else 0) for name, value in fields.items()}
        actual = dict(zip(COLUMNS, found.tolist(), strict=True))
        assert {name: actual[name] for name in expected} == expected
        assert all(value == 0 for name, value in actual.items() if name not in expected)


def test_words_of_no_instruction():
    words = np.full((1, isa.INSTRUCTION_BYTES // 4), 0xFFFFFFFF, np.uint32)
    (row,) = program_table(words)
    assert row[F.opcode] == 15 and np.count_nonzero(row) == 1
