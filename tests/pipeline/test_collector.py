"""The collector of circular garbage is as it was after a pause."""

from __future__ import annotations

import gc

import pytest

from mocrop.pipeline.collector import collector_paused


def test_the_collector_pauses_in_a_decorated_function_and_goes_on_after_it() -> None:
    paused = collector_paused()(gc.isenabled)
    assert gc.isenabled()
    assert (paused(), gc.isenabled(), paused(), gc.isenabled()) == (False, True, False, True)


def test_the_collector_goes_on_after_an_error() -> None:
    with pytest.raises(KeyError), collector_paused():
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
