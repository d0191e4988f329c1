"""Results for people and for programs: tables, JSON, CSV. The only room that knows how a number looks."""

from __future__ import annotations
