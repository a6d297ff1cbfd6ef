"""What a connection changes in this process, and that all of it is put back."""

import logging
import os
import signal
import threading

from cluster.process import environment, give_sigterm_back, quiet, sigterm_kept


def test_variables_are_set_for_the_block_and_put_back_even_after_an_error(monkeypatch):
    monkeypatch.setenv("A440_KNOWN", "before")

    try:
        with environment({"A440_KNOWN": "during", "A440_NEW": "x"}):
            seen = os.environ["A440_KNOWN"], os.environ["A440_NEW"]
            raise InterruptedError
    except InterruptedError:
        pass

    assert seen == ("during", "x")
    assert os.environ["A440_KNOWN"] == "before"
    assert "A440_NEW" not in os.environ


def test_a_logger_is_quiet_for_the_block():
    logger = logging.getLogger("a440.test")
    logger.setLevel(logging.DEBUG)

    with quiet("a440.test"):
        during = logger.level

    assert (during, logger.level) == (logging.ERROR, logging.DEBUG)


def test_sigterm_is_afterwards_what_it_was():
    before = signal.getsignal(signal.SIGTERM)

    with sigterm_kept():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=give_sigterm_back, args=(signal.SIG_IGN,))

    thread.start()
    thread.join()

    assert signal.getsignal(signal.SIGTERM) is before
