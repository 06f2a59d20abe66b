"""What tests of checkers share: mypy's cache of the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.typed.projects import Project


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose cache has the library."""
    sources = {"first": "import verax as vx\nx = vx.zeros((2, 3)).T\n"}
    project = Project(tmp_path_factory.mktemp("library"), None, sources)
    assert project.check() == []
    return project.folder
