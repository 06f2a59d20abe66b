"""``python -m verax check PATH...``; see docs/check.md."""

from __future__ import annotations

import sys

from verax.dsl.check.cli import main

if __name__ == "__main__":
    sys.exit(main())
