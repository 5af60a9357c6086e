"""A library that is missing skips a test with the way out as its reason, and fails it where all must be there."""

from __future__ import annotations

import pytest
from _pytest.outcomes import Skipped

from tests.interop.libraries import REQUIRED, library


def test_a_library_that_is_missing_skips_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(Skipped, match=r"no_such_library is not installed: pip install -e '\.\[interop\]'"):
        library("no_such_library")


def test_a_library_that_is_missing_fails_where_all_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        library("no_such_library")
