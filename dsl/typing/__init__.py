"""Checking types before anything runs: the mypy plugin.

Nothing here knows a shape rule. What a call gives is found by making it, on types with symbolic
sizes, with the functions that make it at run time.
"""
