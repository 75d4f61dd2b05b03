"""Small rules of the serving notebooks, taken out of them: names, gates, images, the files of an image."""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import math
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.delivery import names
from mlops_tui.project_parts import Gate
from mlops_tui.sandbox.notebooks.source import parse

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def taken_from(*notebooks: str) -> dict[str, Any]:
    """The functions, classes and constants of these notebooks."""
    modules = {module.__name__: module for module in (gzip, hashlib, io, math, os, re, tarfile)}
    namespace: dict[str, Any] = dict(modules)
    for notebook in notebooks:
        for cell in parse((NOTEBOOKS / f"{notebook}.py").read_text()):
            if cell.language != "python":
                continue
            for node in ast.parse(cell.source).body:
                if _is_rule(node):
                    exec(compile(ast.Module([node], []), notebook, "exec"), namespace)
    return namespace


def _is_rule(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return not node.decorator_list
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper()


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    return taken_from("azure_workspace", "model_service", "image_contents", "serving_build_container_image")


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        ("rmse < 0.8", True),
        ("rmse<0.7", False),
        ("rmse <= 0.71 and r2 >= .28", True),
        ("rmse < 0.8, r2 > 3e-1", False),
        ("", True),
        ("auc > 0.5", False),  # a run without that metric
        ("broken < 1", False),  # not a number
        (str(Gate()), True),  # as the project spells it
    ],
)
def test_a_gate_is_read_as_it_is_written(rules: dict[str, Any], gate: str, passed: bool) -> None:
    assert rules["passes"](gate, {"rmse": 0.71, "r2": 0.28, "broken": math.nan}) is passed


@pytest.mark.parametrize("gate", ["rmse is small", "rmse <", "rmse < good", "rmse = 1", "0.8 > rmse"])
def test_a_gate_that_cannot_be_read_is_refused(rules: dict[str, Any], gate: str) -> None:
    with pytest.raises(rules["DeliveryError"], match="cannot be read"):
        rules["passes"](gate, {"rmse": 0.1})


def test_an_image_is_named_by_its_digest_and_its_registry_may_be_a_path(rules: dict[str, Any]) -> None:
    for registry in ("mlops1a2b.azurecr.io", "localhost:8443/mlops1a2b"):
        image = rules["Image"](f"{registry}/winequality@{DIGEST}")
        assert (image.registry, image.model, image.digest) == (registry, "winequality", DIGEST)
        assert names.is_image(image.id)


@pytest.mark.parametrize("text", ["", "None", "null", f"@{DIGEST}", f"winequality@{DIGEST}", "a.io/winequality:latest"])
def test_what_is_no_image_is_refused(rules: dict[str, Any], text: str) -> None:
    with pytest.raises(rules["DeliveryError"], match="no image that can be deployed"):
        rules["Image"](text)


def test_names_of_services_are_lowered_and_checked(rules: dict[str, Any]) -> None:
    assert rules["service_name"]("churnservice-Stage") == "churnservice-stage"
    for name in ("ab", "9wines", "wine_quality", "wine-", "w" * 33, ""):
        with pytest.raises(rules["DeliveryError"], match="cannot be a service's name"):
            rules["service_name"](name)


def test_an_image_that_was_built_again_has_no_verdict_of_the_lost_one(rules: dict[str, Any]) -> None:
    before = {"build_number": "7", "model_image_id": "a", "verdict": "passed", "verdict_at": "x", "approved_by": "ada"}
    assert rules["of_another_image"](before, {"model_image_id": "a"}) == {}
    emptied = {"verdict": "", "verdict_at": "", "approved_by": ""}
    assert rules["of_another_image"](before, {"model_image_id": "b"}) == emptied
    assert rules["of_another_image"]({"model_image_id": ""} | emptied, {"model_image_id": "b"}) == {}


def test_predictions_may_differ_in_their_last_digits_only(rules: dict[str, Any]) -> None:
    same = rules["same"]
    assert same(5.300000000000001, 5.3)
    assert not same(5.3001, 5.3)
    assert same("red", "red")
    assert not same("red", "white")
    assert not same("5.3", 5.3)


def test_a_builds_number_becomes_a_tag(rules: dict[str, Any]) -> None:
    assert rules["tag_of"]("20260101.7") == "20260101.7"
    assert rules["tag_of"]("feature/new wine#3") == "feature-new-wine-3"
    assert rules["tag_of"]("-.-") == "none"
    assert len(rules["tag_of"]("9" * 200)) == 128


def test_the_same_model_gives_the_same_files_to_the_byte(rules: dict[str, Any], tmp_path: Path) -> None:
    contexts = []
    for number, order in enumerate((("MLmodel", "model.skops"), ("model.skops", "MLmodel"))):
        model = tmp_path / str(number) / "model"
        (model / "data").mkdir(parents=True)
        for name in order:
            (model / "data" / name).write_text(name)
        (model / "requirements.txt").write_text("mlflow==3.1\n\nstarlette==0.46\nuvicorn[standard]==0.34\n")
        (model / "python_env.yaml").write_text("python: 3.12.3\nbuild_dependencies:\n- pip\n")
        os.utime(model / "requirements.txt", (number, number))
        contexts.append(rules["build_context"](str(model)))
    assert contexts[0] == contexts[1]
    with tarfile.open(fileobj=io.BytesIO(contexts[0])) as tar:
        found = {entry.name: tar.extractfile(entry) for entry in tar}
        texts = {name: file.read().decode() for name, file in found.items() if file}
    assert set(texts) == {
        *("Dockerfile", "requirements.txt", "serve.py"),
        *(f"model/{name}" for name in ("data/MLmodel", "data/model.skops", "requirements.txt", "python_env.yaml")),
    }
    assert texts["Dockerfile"].startswith("FROM python:3.12-slim\n")
    assert texts["requirements.txt"] == "mlflow==3.1\nstarlette==0.46\nuvicorn[standard]==0.34\n"
