"""Tests of the command line's frame: finding commands, exit codes, how errors are told."""

import click
import pytest

import hwshift.cli
from hwshift.cli import main, root
from hwshift.errors import CompileError


@pytest.fixture
def failing(monkeypatch):
    """Add a command that raises what the test puts into the list."""
    raises = []

    @click.command("fail")
    def command():
        raise raises[0]

    lookup = type(root).get_command
    monkeypatch.setattr(
        type(root),
        "get_command",
        lambda self, ctx, name: command if name == "fail" else lookup(self, ctx, name),
    )
    return raises


def test_every_command_has_the_name_of_its_module():
    context = click.Context(root)
    names = root.list_commands(context)
    assert "doctor" in names
    for name in names:
        command = root.get_command(context, name)
        assert command.name == name
        text = command.get_short_help_str(60)
        assert text and not text.endswith("..."), name


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "hwshift, version 0.1.0\n"


def test_help_lists_commands(capsys):
    assert main(["--help"]) == 0
    assert "doctor" in capsys.readouterr().out


def test_unknown_command_is_wrong_usage(capsys):
    assert main(["nope"]) == 2
    assert "No such command 'nope'" in capsys.readouterr().err


def test_known_error_is_one_line(failing, capsys):
    failing.append(CompileError("does not\nfit", where="layer 3"))
    assert main(["fail"]) == 6
    assert capsys.readouterr().err == "hwshift: error: layer 3: does not fit\n"


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("64 TiB\nfor an array", ": 64 TiB for an array")])
def test_want_of_memory_is_one_line(text, shown, failing, capsys):
    failing.append(MemoryError(text))
    assert main(["fail"]) == 12
    assert capsys.readouterr().err == f"hwshift: error: not enough memory{shown}\n"


def test_bug_shows_its_traceback(failing, capsys):
    failing.append(KeyError("oops"))
    assert main(["fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_interrupt(failing, capsys, error):
    failing.append(error)
    assert main(["fail"]) == 130
    assert capsys.readouterr().err.strip() == "hwshift: interrupted"


def test_command_can_choose_its_exit_code(failing):
    failing.append(click.exceptions.Exit(5))
    assert main(["fail"]) == 5


def test_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(hwshift.cli.sys, "argv", ["hwshift", "--version"])
    assert main() == 0
    assert "0.1.0" in capsys.readouterr().out
