import re
import tomllib
from importlib.resources import files

import pytest

from hwshift.cost.tables import ACTIONS, STATUS, TABLES, Law, Point, load_table
from hwshift.errors import DataError

TEXT = (files("hwshift.cost") / "data" / "45nm.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_names(name):
    table = load_table(name)
    assert table.name == name
    assert set(table.laws) == set(ACTIONS)
    assert all(point.source and point.status in STATUS for _, point in table.lines)


def test_published_values():
    """Horowitz, ISSCC 2014; Han et al., NIPS 2015, figure 1; the shift of ShiftAddNAS."""
    table = load_table()
    published = {("int_add", 8): 0.03, ("int_add", 16): 0.05, ("int_add", 32): 0.1, ("int_mult", 8): 0.2,
                 ("int_mult", 32): 3.1, ("shift", 8): 0.024, ("shift", 32): 0.13, ("register", 32): 1.0,
                 ("dram", 32): 640.0}  # fmt: skip
    for (action, bits), value in published.items():
        assert table.pj(action, bits) == pytest.approx(value, rel=1e-12)
    for size, value in ((8192, 10), (32768, 20), (1048576, 100)):
        assert table.sram_pj(size // 8, 64) == pytest.approx(value, rel=1e-12)
    assert table.sram_pj(2048, 32) == pytest.approx(5)  # Han's SRAM: 32 bits of 8 KB


def test_a_shift_is_not_cheaper_than_an_addition():
    table = load_table()
    assert table.pj("shift", 32) > table.pj("int_add", 32)
    assert table.pj("int_mult", 32) + table.pj("int_add", 32) == pytest.approx(
        13.9 * (table.pj("shift", 32) + table.pj("int_add", 32)), rel=0.01
    )


def test_scaling():
    table = load_table()
    assert table.pj("int_add", 64) == pytest.approx(0.2)
    assert table.pj("int_add", 24) == pytest.approx(0.075)
    assert table.pj("int_mult", 64) == pytest.approx(12.4)
    assert table.mult_pj(16, 64) == pytest.approx(3.1)
    assert table.sram_pj(512, 64) == pytest.approx(10 / 2**0.5)
    assert table.sram_pj(512, 448) == pytest.approx(7 * table.sram_pj(512, 64))
    assert table.sram_pj(4, 64) == pytest.approx(2)  # no less than a register


def test_law_is_continuous_and_grows():
    for law in load_table().laws.values():
        sizes = [1.5**i for i in range(1, 40)]
        values = [law.pj(size) for size in sizes]
        assert values == sorted(values)
        for point in law.points:
            assert law.pj(point.size * (1 + 1e-9)) == pytest.approx(point.pj, rel=1e-6)
            assert law.pj(point.size * (1 - 1e-9)) == pytest.approx(point.pj, rel=1e-6)


def test_law_with_one_point():
    law = Law((Point(32, 2.0, "test", "assumed"),), 2.0)
    assert [law.pj(16), law.pj(32), law.pj(64)] == [0.5, 2.0, 8.0]


def test_a_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(TEXT.replace('"45nm"', '"own"').replace('"asic"', '"fpga"').replace("640.0", "320"))
    table = load_table(path)
    assert (table.name, table.kind, table.pj("dram", 32)) == ("own", "fpga", 320)


_ALLOWED = "allowed: dram, int_add, int_mult, kind, name, notes, register, shift, sram, title"
WRONG = [
    (("kind = ", "sort = "), f"sort: unknown; {_ALLOWED}"),
    (('= "asic"', '= "asics"'), "kind: it must be 'asic' or 'fpga', not 'asics'"),
    (('name = "45nm"', "name = 45"), "name: it must be a text, not 45"),
    (('notes = [', 'notes = [1,'), "notes: it must be a list of texts"),
    (("[dram]", "[notes_]"), f"notes_: unknown; {_ALLOWED}"),
    (("bits = 64\n", "bits = 0\n"), "sram.bits: it must be a positive integer, not 0"),
    (("pj = 640.0", "pj = -1"), "dram.points[0].pj: it must be a positive number, not -1"),
    (("pj = 640.0", "pj = inf"), "dram.points[0].pj: it must be a positive number, not inf"),
    (("pj = 640.0", "pj = true"), "dram.points[0].pj: it must be a positive number, not True"),
    (("exponent = 1.22", 'exponent = "1"'), "shift.exponent: it must be a positive number, not '1'"),
    (("exponent = 1.22", "power = 1"), "shift.power: unknown; allowed: exponent, points"),
    (("bits = 8, pj = 0.2", "bits = 64, pj = 0.2"), "int_mult.points: bits must ascend from line to line"),
    (("bytes = 8192", "bits = 8192"), "sram.points[0]: a line has bytes, pj, status and source, nothing else"),
    (('pj = 640.0, status = "transcribed"', 'pj = 640.0, status = "sure"'),
     "dram.points[0].status: it must be one of printed, transcribed, recalled, assumed, not 'sure'"),
    (("Han et al., NIPS 2015, figure 1, DRAM, 32 bits", " "), "dram.points[0].source: it must be a text, not ' '"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_wrong_files(tmp_path, change, message):
    assert change[0] in TEXT
    path = tmp_path / "own.toml"
    path.write_text(TEXT.replace(*change, 1))
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {message}')}$"):
        load_table(path)


def test_missing_action(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(TEXT[: TEXT.index("[dram]")])
    with pytest.raises(
        DataError, match=r"own.toml: dram: it is missing: a table has a cost for every action$"
    ):
        load_table(path)


def test_missing_points(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(TEXT[: TEXT.index("[dram]")] + "[dram]\nexponent = 1\npoints = []\n")
    with pytest.raises(DataError, match=r"own.toml: dram.points: it must be a list with a line at least$"):
        load_table(path)


def test_unreadable_files(tmp_path):
    with pytest.raises(DataError, match=r"^no table of unit costs or file named '7nm'; tables: 45nm$"):
        load_table("7nm")
    path = tmp_path / "own.toml"
    path.write_text("a = = 1")
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: it is not TOML: "):
        load_table(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: it cannot be read: "):
        load_table(path)


def test_the_file_says_what_the_code_knows():
    assert set(tomllib.loads(TEXT)) == {"name", "title", "kind", "notes", *ACTIONS}
