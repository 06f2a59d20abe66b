"""Whole error messages, with the places masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import verax as vx


def message(kind: type[vx.VeraxError], make: Callable[[], Any]) -> str:
    """The text of the error that ``make`` raises; lines are L, paths are cut to the file's name."""
    with pytest.raises(kind) as error:
        make()
    assert type(error.value) is kind
    text = re.sub(r"(?:[\w.-]+/)+(\w+\.py)", r"\1", str(error.value))
    return re.sub(r"(\.py):\d+", r"\1:L", text)
