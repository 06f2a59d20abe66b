"""Hypothesis profiles: ``quick`` by default, ``deep`` for ``make test-deep``.

The checker of the IR runs on every program that any test builds, so after every pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from hypothesis import HealthCheck, settings

from verax.compiler.ir.program import Builder, Program
from verax.compiler.passes.check import check

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "quick", max_examples=12, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile("deep", max_examples=150, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_finish = Builder.finish


def _checked(self: Builder, outs: Iterable[int]) -> Program:
    return check(_finish(self, outs))


Builder.finish = _checked  # type: ignore[method-assign]
