"""Cases of the structural ops."""

from __future__ import annotations

from tests.laws.harness import Case

CASES: tuple[Case, ...] = ()
