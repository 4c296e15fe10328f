"""What a long-running command is doing and how long it will still take, on a terminal's standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hwshift.cache import cache_dir
from hwshift.cli._durations import Durations
from hwshift.progress import Stage, silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

__all__ = ["progress"]

_PATIENCE = 2.0  # seconds without a bar


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done.

    A `hwshift.progress.Stage` shows how much of it is done and, after two seconds, how long the rest will take; of
    other stages that follows from what they took last time, or typically take. Nothing is shown if ``quiet``, or where
    standard error is no terminal. ``NO_COLOR`` leaves the colours out.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield silent
        return
    durations = Durations(cache_dir() / "durations.json", sys.argv[1:])
    with _bar(console) as bar:
        teller = _Teller(bar, durations)
        yield teller
        teller.finish()
    durations.save()


class _Teller:
    """Shows one stage at a time."""

    def __init__(self, bar: "Progress", durations: Durations | None = None) -> None:
        self._bar, self._durations = bar, durations
        self._task = bar.add_task("starting", total=None, seconds=0.0, told=0.0)
        self._name = ""

    def __call__(self, text: str) -> None:
        stage = text if isinstance(text, Stage) else Stage(text)
        total, done, name = stage.total or None, stage.done, stage.partition(":")[0]
        told = 0.0 if name != self._name or total is None else self._bar.tasks[0].elapsed or 0.0
        if name != self._name:
            self.finish()
        if not told:
            self._bar.reset(self._task)
        self._name = name
        seconds = stage.seconds or (self._durations.expected(name) if self._durations else 0.0)
        self._bar.update(self._task, description=stage, completed=done, seconds=seconds, told=told)
        self._bar.tasks[0].total = total  # `update` takes None for no change

    def finish(self) -> None:
        """The present stage has ended."""
        if self._durations and self._name:
            self._durations.took(self._name, self._bar.tasks[0].elapsed or 0.0)


def _expected(task: "Task") -> float | None:
    """Seconds that a stage takes in all; None where nothing tells."""
    if task.total is None or not task.completed:
        return task.fields["seconds"] or None
    return task.fields["told"] * task.total / task.completed


def _clock(seconds: float) -> str:
    """At least a second, as people read it."""
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < 100 else f"{whole // 60}:{whole % 60:02d} min"


def _bar(console: "Console") -> "Progress":
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text

    class Left(ProgressColumn):
        """Nothing at first, and nothing where it is not known."""

        def render(self, task: "Task") -> Text:
            seconds = _expected(task)
            spent = task.elapsed or 0.0
            return Text("" if spent < _PATIENCE or seconds is None else f"{_clock(seconds - spent)} left")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        Left(),
    )
    return Progress(*columns, console=console, transient=True)
