"""How long-running functions tell what they are doing."""

from collections.abc import Callable

__all__ = ["Progress", "Stage", "silent"]

Progress = Callable[[str], None]
"""Is called with a few words at the start of each stage; a `Stage` also says how far it is."""


class Stage(str):
    """A stage's words, with how much of it is done.

    Parameters
    ----------
    text : str
    done, total : int
        Of whatever unit; a total of 0 means that it is not known.
    seconds : float
        How long the stage takes, roughly, where nothing tells how far it is; 0: that is not known either.
    """

    done: int
    total: int
    seconds: float

    def __new__(cls, text: str, done: int = 0, total: int = 0, *, seconds: float = 0.0) -> "Stage":
        """A text that carries numbers."""
        stage = super().__new__(cls, text)
        stage.done, stage.total, stage.seconds = done, total, seconds
        return stage


def silent(text: str) -> None:  # noqa: ARG001
    """Tell nobody."""
