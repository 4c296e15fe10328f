"""What a long-running command is doing and how long it will still take, on a terminal's standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hwshift.progress import Stage, silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

__all__ = ["progress"]

_PATIENCE = 2.0  # seconds without a bar


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done.

    A `hwshift.progress.Stage` shows how much of it is done and, after two seconds, how long the rest will take. Nothing
    is shown if ``quiet``, or where standard error is no terminal. ``NO_COLOR`` leaves the colours out.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield silent
        return
    with _bar(console) as bar:
        yield _Teller(bar)


class _Teller:
    """Shows one stage at a time."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None, seconds=0.0, told=0.0)
        self._name = ""

    def __call__(self, text: str) -> None:
        stage = text if isinstance(text, Stage) else Stage(text)
        total, done, name = stage.total or None, stage.done, stage.partition(":")[0]
        told = 0.0 if name != self._name or total is None else self._bar.tasks[0].elapsed or 0.0
        if not told:
            self._bar.reset(self._task)
        self._name = name
        self._bar.update(self._task, description=stage, completed=done, seconds=stage.seconds, told=told)
        self._bar.tasks[0].total = total  # `update` takes None for no change


def _expected(task: "Task") -> float | None:
    """Seconds that a stage takes in all; None where nothing tells."""
    if task.total is None:
        return task.fields["seconds"] or None
    return task.fields["told"] * task.total / task.completed if task.completed else None


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
