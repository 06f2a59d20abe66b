"""Hypothesis profiles: ``quick`` by default, ``deep`` for ``make test-deep``.

The checker of the IR runs on every program that any test builds, so after every pass.

XLA generates code without its optimisations here, in a third of the time, except in tests that are
marked ``optimized`` and in most processes that tests start: these compile as users do, as all tests
do in the deep profile.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.profiles import DEEP, PLAIN, PROFILE
from tests.typed.projects import Project
from verax.compiler.backend import pjrt
from verax.compiler.ir.program import Builder, Program
from verax.compiler.passes.check import check

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "quick", max_examples=12, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile("deep", max_examples=150, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(PROFILE)

_finish = Builder.finish


def _checked(self: Builder, outs: Iterable[int]) -> Program:
    return check(_finish(self, outs))


Builder.finish = _checked  # type: ignore[method-assign]


_options = vars(pjrt)["xla_client"].CompileOptions
_now = {"plain": False}


def _compile_options() -> Any:
    made = _options()
    if _now["plain"]:
        made.env_option_overrides = list(PLAIN.items())
    return made


vars(pjrt)["xla_client"].CompileOptions = _compile_options


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose cache has what mypy with the plugin knows of the library."""
    sources = {"first": "import verax as vx\nx = vx.zeros((2, 3)).T\n"}
    project = Project(tmp_path_factory.mktemp("library"), None, sources)
    assert project.check() == []
    return project.folder


TOGETHER = {
    "tests/typed/": "checkers",
    "tests/examples/test_types": "checkers",
    "tests/examples/": "examples",
}
"""How the names of tests begin that share a cache, and so run in one process."""


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """What belongs together is one piece of work; every other test is one of its own."""

    def _split_scope(self, nodeid: str) -> str:
        found = [name for start, name in TOGETHER.items() if nodeid.startswith(start)]
        return found[0] if found else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    return _Scheduling(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Compile as the test that begins wants it."""
    _now["plain"] = not DEEP and item.get_closest_marker("optimized") is None
