import copy
import math
import re
import tomllib
from importlib.resources import files

import pytest

from hwshift.config import PRESETS
from hwshift.cost.energy import rates_of
from hwshift.cost.laws import STATUS, Law, Point
from hwshift.cost.tables import ACTIONS, ASIC_WARNING, TABLES, _table, load_table
from hwshift.errors import DataError

from ..seeds import python_random

TEXT = (files("hwshift.cost") / "data" / "45nm.toml").read_text(encoding="utf-8")
HEAD = TEXT[: TEXT.index("[dram]")]


@pytest.mark.parametrize("name", TABLES)
def test_names(name):
    table = load_table(name)
    assert table.name == name
    assert set(table.laws) == set(ACTIONS)
    assert all(point.source and point.status in STATUS for _, point in table.lines)
    assert all(item.source and item.status in STATUS for item in table.figures.values())
    assert table.warning == (ASIC_WARNING if table.kind == "asic" else None)


def test_data_files_are_the_tables():
    folder = files("hwshift.cost") / "data"
    assert sorted(item.name for item in folder.iterdir()) == sorted(f"{name}.toml" for name in TABLES)
    assert {name: load_table(name).kind for name in TABLES} == {
        "45nm": "asic", "shiftaddnas": "asic", "fpga": "fpga", "shiftnas": "asic",
    }  # fmt: skip


def test_shiftaddnas():
    """The constants of its hw_utils.py, get_unit_energy: 16-bit accesses, pJ."""
    table = load_table("shiftaddnas")
    published = {("int_mult", 32): 3.7, ("int_mult", 8): 0.2, ("int_add", 32): 0.9, ("int_add", 8): 0.03,
                 ("shift", 32): 0.13, ("shift", 8): 0.024, ("register", 16): 3.7, ("dram", 16): 200}  # fmt: skip
    for (action, bits), value in published.items():
        assert table.pj(action, bits) == pytest.approx(value, rel=1e-12)
    assert table.sram_pj(65536, 16) == pytest.approx(6 * 3.7)


def test_fpga():
    """ShiftAddNet's abstract: multiplications up to 196 times an addition on the FPGA, 31 on the ASIC."""
    table = load_table("fpga")
    assert table.pj("int_mult", 32) / table.pj("int_add", 32) == pytest.approx(196)
    assert load_table().pj("int_mult", 32) / load_table().pj("int_add", 32) == pytest.approx(31)
    assert table.pj("dram", 1) == pytest.approx(70)
    assert table.sram_pj(512, 36) == pytest.approx(13.65)
    assert table.sram_pj(1024, 36) == pytest.approx(24.6)


@pytest.mark.parametrize("bits", [5, 8, 16, 32, 47])
def test_shiftnas_is_45nm_with_a_cheaper_multiplier(bits):
    table, base = load_table("shiftnas"), load_table()
    assert table.pj("int_mult", bits) == pytest.approx(9.7 * table.pj("shift", bits), rel=1e-12)
    for action in ("int_add", "shift", "register", "dram"):
        assert table.pj(action, bits) == base.pj(action, bits)
    assert table.sram_pj(2048, bits) == base.sram_pj(2048, bits)
    assert (table.base, base.base) == ("45nm", None)
    assert [item.value for item in table.figures.values()] == [9.7, 1.45, 4.32, 5]


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


_ALLOWED = "allowed: base, dram, figures, int_add, int_mult, kind, name, notes, register, shift, sram, title"
_BITS = "a line has bits, an energy in fj, pj, nj, status and source"
_BYTES = _BITS.replace("bits", "bytes")
WRONG = [
    (("kind = ", "sort = "), f"sort: unknown; {_ALLOWED}"),
    (('= "asic"', '= "asics"'), "kind: it must be 'asic' or 'fpga', not 'asics'"),
    (('name = "45nm"', "name = 45"), "name: it must be a text, not 45"),
    (('notes = [', 'notes = [1,'), "notes: it must be a list of texts"),
    (("[dram]", "[notes_]"), f"notes_: unknown; {_ALLOWED}"),
    (("bits = 64\n", "bits = 0\n"), "sram.bits: it must be an integer of 1 to 65536, not 0"),
    (("pj = 640.0", "pj = -1"), "dram.points[0].pj: it must be a positive number, not -1"),
    (("pj = 640.0", "pj = inf"), "dram.points[0].pj: it must be 1e-12 to 1e+12, not inf"),
    (("pj = 640.0", "pj = nan"), "dram.points[0].pj: it must be a positive number, not nan"),
    (("pj = 640.0", "pj = 1e-300"), "dram.points[0].pj: it must be 1e-12 to 1e+12, not 1e-300"),
    (("pj = 640.0", "pj = 1" + "0" * 400),
     "dram.points[0].pj: it must be 1e-12 to 1e+12, not 1" + "0" * 56 + "..."),
    (("exponent = 1.22", "exponent = 1e9"), "shift.exponent: it must be 1e-12 to 8, not 1000000000.0"),
    (("pj = 640.0", "pj = true"), "dram.points[0].pj: it must be a positive number, not True"),
    (("exponent = 1.22", 'exponent = "1"'), "shift.exponent: it must be a positive number, not '1'"),
    (("exponent = 1.22", "power = 1"), "shift.power: unknown; allowed: exponent, points"),
    (("bits = 8, pj = 0.2", "bits = 64, pj = 0.2"), "int_mult.points: bits must ascend from line to line"),
    (("bytes = 8192", "bits = 8192"), f"sram.points[0].bits: unknown unit or field; {_BYTES}"),
    (("pj = 640.0", "uj = 640.0"), f"dram.points[0].uj: unknown unit or field; {_BITS}"),
    (("pj = 640.0,", ""), f"dram.points[0].pj: it is missing: {_BITS}"),
    (("pj = 640.0", "pj = 640.0, nj = 0.64"), "dram.points[0]: one energy only, not nj and pj"),
    (("pj = 640.0", 'pj = "640 pJ"'), "dram.points[0].pj: it must be a positive number, not '640 pJ'"),
    (("pj = 640.0", "pj = 0"), "dram.points[0].pj: it must be a positive number, not 0"),
    (('name = "45nm"', 'name = "45nm"\nbase = "7nm"'),
     "base: it must be one of 45nm, shiftaddnas, fpga, shiftnas, not '7nm'"),
    (("value = 0.9", "value = -0.9"), "figures[0].value: it must be a positive number, not -0.9"),
    (("value = 0.9", ""), "figures[0]: a figure has name, value, unit, status and source, nothing else"),
    (('name = "float multiply, 32 bits"', 'name = "float add, 32 bits"'),
     "figures[1].name: 'float add, 32 bits' is there already"),
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
    path.write_text(HEAD)
    with pytest.raises(
        DataError,
        match=r"own.toml: dram: it is missing: a table has a cost for every action, or names a base that has$",
    ):
        load_table(path)


def test_missing_points(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(HEAD + "[dram]\nexponent = 1\npoints = []\n")
    with pytest.raises(DataError, match=r"own.toml: dram.points: it must be a list with a line at least$"):
        load_table(path)


def test_unreadable_files(tmp_path):
    with pytest.raises(
        DataError,
        match=r"^no table of unit costs or file named '7nm'; tables: 45nm, shiftaddnas, fpga, shiftnas$",
    ):
        load_table("7nm")
    path = tmp_path / "own.toml"
    path.write_text("a = = 1")
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: it is not TOML: "):
        load_table(path)
    for text in ("a = 1" + "0" * 5000, "a = " + "[" * 100_000):
        path.write_text(text)
        with pytest.raises(DataError, match=f"^{re.escape(str(path))}: it is not TOML: "):
            load_table(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: it cannot be read: "):
        load_table(path)


def test_the_file_says_what_the_code_knows():
    assert set(tomllib.loads(TEXT)) == {"name", "title", "kind", "notes", "figures", *ACTIONS}


OWN = 'name = "own"\ntitle = "Own"\nkind = "fpga"\nbase = "fpga"\n'


def test_a_file_that_names_only_what_differs(tmp_path):
    path = tmp_path / "own.toml"
    line = '{ bits = 64, nj = 2.5, status = "assumed", source = "a power meter" }'
    path.write_text(f"{OWN}[dram]\nexponent = 1\npoints = [{line}]\n")
    table, base = load_table(path), load_table("fpga")
    assert table.pj("dram", 64) == 2500
    assert table.pj("int_mult", 18) == base.pj("int_mult", 18)
    assert table.sram_pj(1024, 36) == base.sram_pj(1024, 36)
    assert [point.source for action, point in table.lines if action == "dram"] == ["a power meter"]


@pytest.mark.parametrize(("text", "message"), [
    ("times = 2", "int_mult.of: a multiple has times, of, status and source, nothing else"),
    ('times = 2\nof = "shift"\nstatus = "assumed"\nsource = "x"\nbits = 3',
     "int_mult.bits: a multiple has times, of, status and source, nothing else"),
    ('times = -2\nof = "shift"\nstatus = "assumed"\nsource = "x"',
     "int_mult.times: it must be a positive number, not -2"),
    ('times = 2\nof = "int_mult"\nstatus = "assumed"\nsource = "x"',
     "int_mult.of: it must be another action with lines of its own and not sram, not 'int_mult'"),
    ('times = 2\nof = "sram"\nstatus = "assumed"\nsource = "x"',
     "int_mult.of: it must be another action with lines of its own and not sram, not 'sram'"),
    ('times = 2\nof = "shift"\nstatus = "sure"\nsource = "x"',
     "int_mult.status: it must be one of printed, transcribed, recalled, assumed, not 'sure'"),
])  # fmt: skip
def test_wrong_multiples(tmp_path, text, message):
    path = tmp_path / "own.toml"
    path.write_text(f"{OWN}[int_mult]\n{text}\n")
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {message}')}$"):
        load_table(path)


def places(value, path=()):
    """Paths of everything in nested tables and lists."""
    if path:
        yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


STRANGE = [
    None, 0, -1, 1, 1e9, "x", "", [], {}, [1], {"a": 1}, True, float("nan"), float("inf"), 10**400, 1e-300, "45nm",
    "shift", "sram", 3.5,
]  # fmt: skip


def test_damaged_tables_are_refused_in_one_line_or_give_finite_costs():
    """Entries that are gone, added, or of another kind, in every table of hwshift."""
    rng = python_random(20)
    sources = [
        tomllib.loads((files("hwshift.cost") / "data" / f"{name}.toml").read_text(encoding="utf-8"))
        for name in TABLES
    ]
    refused = 0
    for _ in range(2000):
        values = copy.deepcopy(rng.choice(sources))
        path = rng.choice(list(places(values)))
        place = values
        for key in path[:-1]:
            place = place[key]
        kind = rng.random()
        if kind < 0.25:
            del place[path[-1]]
        elif kind < 0.4 and isinstance(place, dict):
            place[rng.choice(["times", "of", "bits", "uj", "nj", "pj", "zzz"])] = rng.choice(STRANGE)
        else:
            place[path[-1]] = rng.choice(STRANGE)
        try:
            table = _table(values)
        except DataError as error:
            assert error.where and "\n" not in str(error) and len(str(error)) < 300
            refused += 1
        else:
            costs = [
                rate.energy_pj for name in ("8x8", "32x32-mac") for rate in rates_of(PRESETS[name], table)
            ]
            assert all(0 < cost < math.inf for cost in costs)
    assert 1500 < refused < 2000
