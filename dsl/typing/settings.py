"""The plugin's own settings: the table ``[tool.verax-mypy]`` of pyproject.toml, or the section
``[verax-mypy]`` of mypy.ini.

    [tool.verax-mypy]
    unknown_shapes = true   # a note wherever the shape of an array is not known, with the reason
"""

from __future__ import annotations

import configparser
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

NAME = "verax-mypy"


class Settings(NamedTuple):
    """What the user asked for.

    Attributes:
        unknown_shapes: note where the shape of an array is not known.
    """

    unknown_shapes: bool = False


def read_settings(config_file: str | None) -> Settings:
    """The settings in mypy's configuration file.

    Of an unknown setting, or a value that is no boolean, stderr says so, as mypy does of its own.
    """
    if not config_file:
        return Settings()
    path = Path(config_file)
    found = _from_toml(path) if path.suffix == ".toml" else _from_ini(path)
    known = ", ".join(Settings._fields)
    right: dict[str, bool] = {}
    for name, value in found.items():
        if name not in Settings._fields:
            print(f"{path.name}: [{NAME}]: no setting {name!r}, only {known}", file=sys.stderr)
        elif not isinstance(value, bool):
            print(f"{path.name}: [{NAME}]: {name} is {value!r}, not a boolean", file=sys.stderr)
        else:
            right[name] = value
    return Settings(**right)


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text()).get("tool", {}).get(NAME, {})
    except (OSError, tomllib.TOMLDecodeError):
        return {}
    return dict(table)


def _from_ini(path: Path) -> dict[str, Any]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path)
    except configparser.Error:
        return {}
    if not parser.has_section(NAME):
        return {}
    states = parser.BOOLEAN_STATES
    return {k: states.get(v.lower(), v) for k, v in parser.items(NAME)}
