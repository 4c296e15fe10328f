"""Fixtures of the golden model's tests."""

import threading

import pytest

from hwshift.golden import crew


@pytest.fixture
def busy():
    """All helpers are at work until the test ends."""
    crew._start(2)
    arrived, leave = threading.Barrier(crew._started + 1), threading.Event()

    def hold(_):
        arrived.wait(60)
        leave.wait(60)

    helps = crew.offer(hold, crew._started)
    arrived.wait(60)
    yield
    leave.set()
    for each in helps:
        each.settle()
