"""Tests of ``hwshift doctor``."""

import json

import pytest

from hwshift.cli import doctor, main
from hwshift.tools import Tool


def tool(name, *, required=True, problem=None):
    return Tool(name, "does things", required, "1.0", "/bin/tool", problem, "a package")


@pytest.fixture
def found(monkeypatch):
    tools = [tool("one"), tool("two", required=False, problem="not found")]
    monkeypatch.setattr(doctor, "find_tools", lambda: tools)
    return tools


@pytest.mark.usefixtures("found")
def test_table(capsys):
    assert main(["doctor"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1][:3] == ["one", "ok", "1.0"]
    assert lines[2][:2] == ["two", "optional"]
    assert " ".join(lines[2]).endswith("not found; a package")


@pytest.mark.usefixtures("found")
def test_json(capsys):
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1] == {
        "name": "two",
        "purpose": "does things",
        "required": False,
        "version": "1.0",
        "path": "/bin/tool",
        "problem": "not found",
        "install": "a package",
        "usable": False,
    }


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"]])
def test_missing_required_tool(found, capsys, arguments):
    found += [tool("three", problem="not found"), tool("four", problem="2.0 is wanted")]
    assert main(arguments) == 10
    assert capsys.readouterr().err == "hwshift: error: doctor: cannot be used: three, four\n"
