"""Signals that wait."""

import os
import signal
import threading

import pytest

from scenekit.interrupts import SIGNALS, held_back


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_handlers_come_back(number: int) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with held_back() as asked:
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_the_second_ctrl_c_acts_as_ever() -> None:
    with pytest.raises(KeyboardInterrupt), held_back() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_handle_no_signals() -> None:
    asked: list[bool] = []

    def work() -> None:
        with held_back() as said:
            asked.append(said())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert asked == [False]


def test_what_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_back() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert not asked()
    finally:
        signal.signal(signal.SIGINT, before)
