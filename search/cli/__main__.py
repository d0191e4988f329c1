"""`python -m oracle.search.cli`, for a checkout that is not installed; `python -m search.cli` is the same."""

from __future__ import annotations

from . import main

if __name__ == "__main__":
    raise SystemExit(main())
