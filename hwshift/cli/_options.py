"""Where a command's images come from: one decorator for all commands, and a progress bar over images."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import click

if TYPE_CHECKING:
    from hwshift.data import Dataset, Images
    from hwshift.evaluation import Advance
    from hwshift.network.fixed import FixedNetwork
    from hwshift.network.graph import Network

__all__ = ["DataOptions", "bar", "data_options"]

Command = Callable[..., object]


@dataclass(frozen=True)
class DataOptions:
    """The options of `data_options`, as one value.

    Members
    -------
    source : str or None
        None: noise.
    split : "train", "test" or None
    mean, std : tuple of float or None
    size : int, (height, width) or None
    limit : int or None
        None: all.
    noise : int
        How many images noise has without a limit.
    """

    source: str | None = None
    split: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | tuple[int, int] | None = None
    limit: int | None = None
    noise: int = 1

    NAMES: ClassVar[tuple[str, ...]] = ("source", "split", "mean", "std", "size", "limit")

    def load(self, network: "Network | FixedNetwork", seed: int = 0) -> "Dataset":
        """The images for a network. Raises `DataError`."""
        from hwshift.data import load_for

        limit = self.limit if self.limit is not None or self.source is not None else self.noise
        return load_for(
            network,
            self.source,
            mean=self.mean,
            std=self.std,
            size=self.size,
            split=self.split,
            limit=limit,
            seed=seed,
        )

    def codes(self, network: "FixedNetwork", seed: int = 0) -> "Images":
        """The images for a fixed-point network, in its activation format. Raises `DataError`."""
        from hwshift.data import Images

        return Images.of(self.load(network, seed), network.act)

    def words(self) -> list[str]:
        """The options as on a command line."""
        out = [] if self.source is None else ["--data", self.source]
        out += [] if self.split is None else ["--split", self.split]
        for name, values in (("--mean", self.mean), ("--std", self.std)):
            out += [] if values is None else [name, ",".join(map(repr, values))]
        if self.size is not None:
            out += ["--size", str(self.size) if isinstance(self.size, int) else "x".join(map(str, self.size))]
        return out if self.limit is None else [*out, "--limit", str(self.limit)]


class _Numbers(click.ParamType):
    """One number, or several with commas between them."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(float(word) for word in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a number, or numbers with commas between them", param, ctx)


class _Size(click.ParamType):
    """``256`` or ``224x224``."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        words = value.lower().split("x")
        if len(words) > 2 or not all(word.isdecimal() and 0 < int(word) < 1 << 16 for word in words):
            self.fail(f"{value!r} is neither a length such as 256 nor HEIGHTxWIDTH", param, ctx)
        sides = tuple(map(int, words))
        return sides[0] if len(sides) == 1 else sides


_SOURCES = (
    "Images: a PNG, JPEG, WebP or BMP file or a folder of them (sub-folders are classes), .npz, .npy, MNIST idx files, "
    "CIFAR-10 python batches, or fashion-test, which comes with hwshift. Default: "
)
_OPTIONS = (
    click.option("--split", type=click.Choice(["train", "test"]), help="Part of a data set; default: test."),
    click.option(
        "--mean",
        metavar="X[,X,X]",
        type=_Numbers(),
        help="Subtracted from pixels scaled to 0..1; default: the network's own, or 0.",
    ),
    click.option(
        "--std",
        metavar="X[,X,X]",
        type=_Numbers(),
        help="What pixels are then divided by; default: the network's own, or 1.",
    ),
    click.option(
        "--size",
        metavar="N|HxW",
        type=_Size(),
        help="Resize images to this length of the shorter side, or this height and width; the centre is used.",
    ),
)


def data_options(*, limit: int | None, noise: int = 1, several: bool = True) -> Callable[[Command], Command]:
    """The options ``--data``, ``--split``, ``--mean``, ``--std``, ``--size`` and ``--limit`` (``--images``).

    The command gets them as one argument ``data``, a `DataOptions`.

    Parameters
    ----------
    limit : int or None
        Images without ``--limit``; None: all.
    noise : int
        Images of noise without ``--limit`` where `limit` is None. 0: the command does without images, not with
        noise.
    several : bool
        Whether there is a ``--limit``.
    """
    default = "all" if limit is None else str(limit)
    limit_option = click.option(
        "--limit",
        "--images",
        "limit",
        metavar="N",
        type=click.IntRange(min=1),
        help=f"At most so many images, evenly spread over those there are; default: {default}.",
    )
    source_option = click.option(
        "--data", "source", metavar="PATH", help=_SOURCES + ("seeded noise." if noise else "none.")
    )
    needing = ("split", "mean", "std", "size") if noise else ("split", "mean", "std", "size", "limit")

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def called(**arguments: object) -> object:
            chosen = {name: arguments.pop(name, None) for name in DataOptions.NAMES}
            for name in needing:
                if chosen["source"] is None and chosen[name] is not None:
                    raise click.UsageError(f"--{name} is of images: name them with --data")
            if chosen["limit"] is None:
                chosen["limit"] = limit
            return command(**arguments, data=DataOptions(**chosen, noise=noise))  # type: ignore[arg-type]

        wrapped: Command = called
        for option in (*([limit_option] if several else []), *reversed(_OPTIONS), source_option):
            wrapped = option(wrapped)
        return wrapped

    return decorate


@contextmanager
def bar(quiet: bool) -> Iterator["Advance"]:
    """A function that shows how many images of each stage are done, on a terminal's standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _silent
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, object] = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)  # type: ignore[arg-type]

        yield advance


def _silent(name: str, done: int, total: int) -> None:  # noqa: ARG001
    """Show nothing."""
