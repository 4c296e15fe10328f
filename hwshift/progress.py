"""How long-running functions tell what they are doing."""

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str], None]
"""Is called with a few words at the start of each stage."""


def silent(text: str) -> None:  # noqa: ARG001
    """Tell nobody."""
