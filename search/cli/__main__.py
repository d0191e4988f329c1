"""`python -m search.cli`, for a checkout that is not installed."""

from __future__ import annotations

from search.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
