"""Fixtures of the tests of the passes."""
