"""Texts of a workflow's file that may hold expressions: all of them are read when the file is."""

from __future__ import annotations

from mlops_tui.sandbox.pipelines import expressions, github_expressions
from mlops_tui.sandbox.pipelines.expressions import Call, ExpressionError, Tree
from mlops_tui.sandbox.pipelines.yaml_file import Node

SUCCESS = Call("success", ())  # what an `if` is where there is none


def text(node: Node | None, what: str) -> str:
    """Its expressions are known to be good."""
    if node is None:
        return ""
    written = node.text(what)
    try:
        for place in expressions.places(written):
            github_expressions.read(place)
    except ExpressionError as error:
        raise node.refuse(str(error)) from error
    return written


def pairs(node: Node | None, what: str) -> tuple[tuple[str, str], ...]:
    return (
        tuple((key.value, text(value, f"'{key.value}' of {what}")) for key, value in node.pairs(what)) if node else ()
    )


def condition(node: Node | None) -> Tree:
    if node is None:
        return SUCCESS
    try:
        tree = github_expressions.read_condition(node.text("if"))
        if "secrets" in expressions.contexts(tree):
            raise ExpressionError("an 'if' cannot read secrets")
        return tree
    except ExpressionError as error:
        raise node.refuse(str(error)) from error
