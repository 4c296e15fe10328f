"""What a long-running command is doing and how long it will still take, on a terminal's standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hwshift.progress import Stage, silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

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
        self._task = bar.add_task("starting", total=None, seconds=0.0)
        self._name = ""

    def __call__(self, text: str) -> None:
        stage = text if isinstance(text, Stage) else Stage(text)
        total, done, name = stage.total or None, stage.done, stage.partition(":")[0]
        if name != self._name or total is None:
            self._bar.reset(self._task, description=text, total=total, completed=done, seconds=stage.seconds)
            self._name = name
        else:
            self._bar.update(self._task, description=text, total=total, completed=done)


def _bar(console: "Console") -> "Progress":
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        Task,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Late(TimeRemainingColumn):
        """Nothing at first, and nothing where it is not known."""

        def render(self, task: "Task") -> Text:
            spent, seconds = task.elapsed or 0.0, task.fields["seconds"]
            if spent < _PATIENCE or (task.total is None and not seconds):
                return Text("")
            if task.total is None:
                return Text(f"about {max(1, round(seconds - spent))} s left")
            return Text.assemble(super().render(task), " left")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        Late(),
    )
    return Progress(*columns, console=console, transient=True)
