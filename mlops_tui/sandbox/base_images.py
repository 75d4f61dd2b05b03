"""The base images that FROM may name: those that are Python. The sandbox has none of them, only a Python of its own."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

PYTHON = re.compile(
    r"(?:(?:docker\.io/)?(?:library/)?|mcr\.microsoft\.com/mirror/docker/library/)python"
    r"(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?"
)
TAG = re.compile(
    r"(?:(?P<version>\d+(?:\.\d+){0,2}))?(?:^|-|(?<=\d))(?:latest|slim|alpine[\d.]*|"
    r"(?:slim-)?(?:trixie|bookworm|bullseye|buster))?"
)
AZURE_ML = re.compile(r"mcr\.microsoft\.com/azureml/[\w./-]+(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")
AZURE_ML_PYTHON = re.compile(r"py(?:thon)?(\d)\.?(\d{1,2})")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


class UnknownBaseError(Exception):
    """There is no such base image, or the sandbox cannot build on it."""


@dataclass(frozen=True)
class BaseImage:
    name: str
    python: str  # "3.11"

    @property
    def is_own(self) -> bool:
        """Whether what is built on it can run here."""
        return self.python == OWN


def base_image(name: str) -> BaseImage:
    """What FROM names. Raises UnknownBaseError."""
    if found := PYTHON.fullmatch(name):
        tag = found["tag"] or "latest"
        parts = TAG.fullmatch(tag)
        if parts is None or tag.endswith("-"):
            raise UnknownBaseError(f"manifest for {name} not found: manifest unknown: manifest unknown")
        version = (parts["version"] or "").split(".")
        return BaseImage(name, ".".join(version[:2]) if len(version) > 1 else OWN)
    if AZURE_ML.fullmatch(name):
        python = AZURE_ML_PYTHON.search(name)
        return BaseImage(name, f"{python[1]}.{python[2]}" if python else OWN)
    raise UnknownBaseError(
        f"the sandbox cannot build on '{name}': it has no Docker, and knows Python's images alone, such as "
        f"python:{OWN}-slim, and those of Azure ML (mcr.microsoft.com/azureml/…)"
    )
