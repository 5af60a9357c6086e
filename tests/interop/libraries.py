"""Libraries that others train with: tests with one skip where it is missing, but not where all must be there."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest

REQUIRED = "MOCROP_REQUIRE_INTEROP"  # the environment variable with which nothing skips


def library(name: str) -> ModuleType:
    """Import a library of the extra ``interop``, in a test or, for all tests of a module, at its top.

    ::

        webdataset = library("webdataset")
    """
    if REQUIRED in os.environ:
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"{name} is not installed: pip install -e '.[interop]'")  # type: ignore[no-any-return]
