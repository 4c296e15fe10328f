"""Threads that help: offers that are taken, withdrawn, that fail, and what they hold."""

import threading
import weakref

import pytest

from hwshift.golden import crew


def test_each_helper_gets_a_number_of_its_own():
    """Three at a time, each waits for the others; twice, so that threads are used again."""
    for _ in range(2):
        found, together = [], threading.Barrier(4)

        def work(number, found=found, together=together):
            together.wait(60)
            found.append((number, threading.current_thread()))

        helps = crew.offer(work, 3)
        together.wait(60)
        for each in helps:
            each.settle()
            assert not each.withdraw()
        assert sorted(number for number, _ in found) == [1, 2, 3]
        assert len({thread for _, thread in found} - {threading.current_thread()}) == 3


def test_no_helpers():
    assert crew.offer(lambda _: pytest.fail("called"), 0) == []


@pytest.mark.usefixtures("busy")
def test_a_withdrawn_offer_is_never_taken_and_holds_nothing():
    """Also while it waits behind others: what it was to work on may be large."""

    class Large:
        def work(self, _):
            pytest.fail("called")

    large = Large()
    held = weakref.ref(large)
    (help_,) = crew.offer(large.work, 1)
    del large
    assert held() is not None
    help_.settle()
    assert held() is None
    help_.take()


def test_what_a_helper_raises_is_raised_where_it_is_waited_for():
    def work(_):
        begun.set()
        raise KeyError("broken")

    begun = threading.Event()
    (help_,) = crew.offer(work, 1)
    begun.wait(60)
    with pytest.raises(KeyError, match="broken"):
        help_.settle()
    done = threading.Event()  # the thread lives on
    (again,) = crew.offer(lambda _: done.set(), 1)
    assert done.wait(60)
    again.settle()


def test_what_is_asked_soon_after(monkeypatch):
    start = 10**9
    times = iter([start, start + crew._SOON, start + 2 * crew._SOON - 1, start + 2 * crew._SOON])
    monkeypatch.setattr(crew, "_asked", 0)
    monkeypatch.setattr(crew.time, "perf_counter_ns", lambda: next(times))
    assert [crew.soon() for _ in range(4)] == [False, False, True, True]
