"""A Dockerfile starts from an image with Python; which Python that is, its name says."""

from __future__ import annotations

import pytest

from mlops_tui.sandbox.base_images import OWN, UnknownBaseError, base_image


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("python:3.9", "3.9"),
        ("python:3.12.4-slim-bookworm", "3.12"),
        ("docker.io/library/python:3.10-alpine3.20", "3.10"),
        ("mcr.microsoft.com/mirror/docker/library/python:3.8-slim", "3.8"),
        ("python", OWN),
        ("python:3-slim", OWN),
        ("mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest", "3.9"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", OWN),
    ],
)
def test_base_images_are_those_with_python(name: str, python: str) -> None:
    assert base_image(name).python == python


@pytest.mark.parametrize(
    "name", ["ubuntu:22.04", "python:3.11-slimm", "scratch", "evil.example/python:3.11", "pythonic"]
)
def test_other_base_images_are_refused(name: str) -> None:
    with pytest.raises(UnknownBaseError, match=r"knows Python's images alone|manifest unknown"):
        base_image(name)
