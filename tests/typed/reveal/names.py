"""The dims of these files."""

import verax as vx


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Out(vx.Dim): ...
