"""Axes, meshes and cuts: an algebra that knows no programs, on the standard library alone."""
