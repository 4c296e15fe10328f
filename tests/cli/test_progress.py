"""What commands show while they work."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from hwshift.cli import root
from hwshift.cli._progress import _bar, _Teller
from hwshift.progress import Stage

COMMANDS = root.list_commands(click.Context(root))


@pytest.fixture
def shown():
    """A teller on a terminal of 100 columns, and a function that gives its present line."""
    from rich.console import Console

    now = [1000.0]
    console = Console(force_terminal=True, width=100, file=open(os.devnull, "w"), no_color=True)
    bar = _bar(console)
    bar.get_time = lambda: now[0]
    teller = _Teller(bar)

    def line():
        with console.capture() as text:
            console.print(bar.get_renderable())
        return " ".join(text.get().split())

    def wait(seconds):
        now[0] += seconds

    yield teller, line, wait
    console.file.close()


def test_time_left_follows_from_what_is_done(shown):
    teller, line, wait = shown
    teller(Stage("compiling", 0, 10))
    assert "compiling" in line() and "left" not in line()
    for done in (1, 2, 3, 4, 5):
        wait(3)
        teller(Stage("compiling", done, 10))
    assert "50%" in line() and line().endswith("0:00:15 15 s left")


def test_time_left_of_what_says_nothing_meanwhile(shown):
    teller, line, wait = shown
    teller(Stage("RTL in icarus", seconds=20))
    wait(5)
    assert line().endswith(" 15 s left")
    teller("writing files")
    wait(5)
    assert "writing files" in line() and "left" not in line()


def test_time_left_goes_on_between_what_is_told(shown):
    teller, line, wait = shown
    teller(Stage("compiling", 0, 4))
    wait(100)
    teller(Stage("compiling", 1, 4))
    assert line().endswith("5:00 min left")
    wait(50)
    assert line().endswith("4:10 min left")
    wait(400)
    assert line().endswith(" 1 s left")


def test_a_stage_is_a_text():
    stage = Stage("counting", 1, 2)
    assert stage == "counting" and (stage.done, stage.total, stage.seconds) == (1, 2, 0.0)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_print_json(name):
    options = [option for item in root.get_command(None, name).params for option in item.opts]
    assert "--json" in options


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"disassemble", "doctor", "networks"}))
def test_commands_that_take_long_can_be_quiet(name):
    options = [option for item in root.get_command(None, name).params for option in item.opts]
    assert "--quiet" in options


def on_terminal(*arguments, **env):
    """What a command writes to a terminal."""
    hwshift = Path(sys.executable).parent / "hwshift"
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [hwshift, *arguments], stdout=subprocess.DEVNULL, stderr=follower,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | env,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            data = os.read(leader, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(leader)
    assert process.wait() == 0
    return seen.decode()


def test_progress_on_a_terminal():
    arguments = ("simulate", "csc-small", "--config", "4x4")
    shown = on_terminal(*arguments)
    assert "functional simulator" in shown or "cycle model" in shown or "compiling" in shown
    assert "\x1b[3" in shown
    assert "\x1b[3" not in on_terminal(*arguments, NO_COLOR="1").replace("\x1b[3D", "")
    assert on_terminal(*arguments, "--quiet") == ""
