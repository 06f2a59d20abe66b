"""The dims and type variables that the files of seeded bugs share."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

import verax as vx


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hid(vx.Dim): ...


class Cls(vx.Dim): ...


class Seq(vx.Dim): ...


class Mem(vx.Dim): ...


class Heads(vx.Dim): ...


class Vocab(vx.Dim): ...


class State(vx.Dim): ...


class Obs(vx.Dim): ...


Data: TypeAlias = Literal["data"]
Model: TypeAlias = Literal["model"]

N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)
In = TypeVar("In", bound=vx.AnyDim)
H = TypeVar("H", bound=vx.AnyDim)
Out = TypeVar("Out", bound=vx.AnyDim)
