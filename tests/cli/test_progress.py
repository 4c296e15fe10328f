"""What commands show while they work."""

import ast
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from hwshift.cli import root
from hwshift.cli._durations import TYPICAL, Durations, typical
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
    teller("something new")
    wait(5)
    assert "something new" in line() and "left" not in line()


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


def test_time_left_as_last_time(tmp_path, shown):
    teller, line, wait = shown
    for told in ("", " 60 s left"):
        durations = Durations(tmp_path / "made" / "durations.json", ["simulate", "net"])
        again = _Teller(teller._bar, durations)
        again("thinking")
        wait(3)
        assert line().endswith(told.replace("60", "57") if told else "0:00:03")
        wait(57)
        again("resting")
        again.finish()
        durations.save()
    other = Durations(tmp_path / "made" / "durations.json", ["simulate", "another"])
    assert other.expected("thinking") == 0 and other.expected("compiling") == TYPICAL["compiling"]


@pytest.mark.parametrize("content", ["", "[]", '{"a": "b"}', "\0"])
def test_durations_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "durations.json"
    path.write_text(content)
    durations = Durations(path, ["a"])
    assert durations.expected("x") == 0
    durations.took("x", 5)
    durations.save()
    assert Durations(path, ["a"]).expected("x") == 5
    Durations(path / "below", ["a"]).save()


def beginning(text, texts):
    """The words that a text begins with, also where a variable of `texts` holds them; None where they vary."""
    if isinstance(text, ast.JoinedStr):
        return beginning(text.values[0], texts)
    if isinstance(text, ast.FormattedValue) and isinstance(text.value, ast.Name):
        return beginning(texts.get(text.value.id), {})
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None


def stages():
    """The words that every stage in the sources begins with, where they do not say how far they are."""
    for folder in ("hwshift", "sim", "golden", "rtl"):
        for path in (Path(__file__).parents[2] / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            texts = {target.id: node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)
                     for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
            for node in ast.walk(tree):
                if not (isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name)):
                    continue
                if node.func.id in ("progress", "say") and (words := beginning(node.args[0], texts)):
                    yield words


def test_every_stage_has_a_time():
    found = set(stages())
    assert len(found) > 20
    assert [stage for stage in sorted(found) if not typical(stage)] == []
    assert all(any(stage.startswith(words) for stage in found) for words in TYPICAL)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_print_json(name):
    options = [option for item in root.get_command(None, name).params for option in item.opts]
    assert "--json" in options


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_quiet(name):
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
