"""``verax check``: every annotated function of a file is staged at its declared signature.

No device is used and no data exists: dims are symbolic. The user's modules are imported, each in a
process of its own, so that one that hangs or dies leaves the others unharmed.
"""
