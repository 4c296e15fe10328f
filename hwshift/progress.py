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
    """

    done: int
    total: int

    def __new__(cls, text: str, done: int = 0, total: int = 0) -> "Stage":
        """A text that carries two numbers."""
        stage = super().__new__(cls, text)
        stage.done, stage.total = done, total
        return stage


def silent(text: str) -> None:  # noqa: ARG001
    """Tell nobody."""
