"""Where each value comes from: project file < environment < flags; each value knows its source."""

from __future__ import annotations
