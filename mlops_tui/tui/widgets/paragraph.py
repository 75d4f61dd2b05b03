"""Text that is replaced at every key: it asks for a layout of the screen, which is what takes long, only where it must.

Textual lays out the whole screen after every `update`, and once more because the widget's size has changed.
"""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Link, Static


class Paragraph(Static):
    """Plain text, of as many lines as it needs; gone where it is empty."""

    virtual_size = Reactive(Size(0, 0))  # it does not scroll: a new size needs no layout of its own

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(markup=False, id=id, classes=classes)

    def show(self, text: str) -> None:
        self.display = bool(text)
        if text != self.content:
            self.update(text, layout=False)
            self.clear_cached_dimensions()
            width, height = self.content_size  # nothing, where it has not been laid out yet
            if not width or self.get_content_height(self.container_size, self.screen.size, width) != height:
                self.refresh(layout=True)


class Page(Link):
    """A link that goes somewhere else with the step in hand; gone where there is none."""

    virtual_size = Reactive(Size(0, 0))

    def show(self, text: str, url: str) -> None:
        self.url, self.text = url, text
        self.display = bool(url)
