"""docs/costs.md: its code runs, its table loads, its lists are complete."""

import re
from dataclasses import fields
from pathlib import Path

from hwshift.cost.analysis import CostAnalysis
from hwshift.cost.counts import LayerCounts
from hwshift.cost.laws import STATUS
from hwshift.cost.tables import TABLES, load_table

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_python(capsys):
    (code,) = blocks("python")
    exec(compile(code, "costs.md", "exec"), {})
    first, *layers = capsys.readouterr().out.splitlines()
    assert len(first.split()) == 3 and layers[-1].startswith("(program) 0 ")


def test_table(tmp_path):
    (text,) = blocks("toml")
    path = tmp_path / "board.toml"
    path.write_text(text)
    table = load_table(path)
    assert table.pj("dram", 64) == 3200
    assert table.pj("int_mult", 32) == 12 * table.pj("shift", 32)


def test_names():
    for name in TABLES:
        assert f"\n| `{name}` | {'FPGA' if load_table(name).kind == 'fpga' else 'ASIC'} |" in PAGE
    assert all(f"`{status}`" in PAGE for status in STATUS)
    for path in LayerCounts("").paths():
        part, name = path.split(".")
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{part}` |"))
        assert f"`{name}`" in row or part == "tables"
    table = PAGE[PAGE.index("| member |") : PAGE.index("A `LayerAnalysis` has")]
    for item in fields(CostAnalysis):
        assert f"`{item.name}`" in table
