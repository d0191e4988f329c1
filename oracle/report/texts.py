"""Text with one style, which draws itself on a terminal; nothing but itself until then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle._units import visible

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Text:
    """Lines of text.

    Attributes:
        plain: the text.
        style: how rich shows it on a terminal; empty for plain.
    """

    plain: str
    style: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", visible(self.plain))  # names in it may come from anybody's file

    def __rich__(self) -> RenderableType:
        from rich.text import Text as RichText

        return RichText(self.plain, style=self.style)
