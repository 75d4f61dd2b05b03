"""The expressions of both hosts mean here what they mean there."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_tui.sandbox.pipelines import azure_expressions, expressions, github_expressions
from mlops_tui.sandbox.pipelines.azure_variables import Variables
from mlops_tui.sandbox.pipelines.expressions import ExpressionError

GITHUB = {
    "github": {"ref_name": "main", "event": {"inputs": {"n": "1"}}},
    "inputs": {"stage": "all", "dry": False, "count": 3, "none": None},
    "needs": {"train": {"result": "success", "outputs": {"build-number": "7"}}},
}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("github.ref_name", "main"),
        ("GitHub.REF_NAME == 'MAIN'", True),
        ("inputs.missing.deeper", None),
        ("needs.train.outputs.build-number", "7"),
        ("needs['train'].result == 'success' && 'yes' || 'no'", "yes"),
        ("(inputs.none || 'all') == 'all'", True),
        ("!inputs.dry", True),
        ("inputs.dry == 'false'", False),  # as numbers: 0 and not a number
        ("inputs.count == '3'", True),
        ("inputs.count > 2 && inputs.count <= 3", True),
        ("inputs.none == ''", True),
        ("'it''s'", "it's"),
        ("format('{0}-{{1}}-{1}', 'a', inputs.count)", "a-{1}-3"),
        ("contains(fromJSON('[\"a\", \"b\"]'), 'B')", True),
        ("startsWith('Refs/heads', 'refs') && endsWith('ab', 'B')", True),
        ("fromJSON('{\"a\": [1, 2]}').a[1]", 2),
        ("0 || -0 || '' || null || false", False),
        ("join(fromJSON('[1, 2]'), '-')", "1-2"),
    ],
)
def test_github_works_out_what_a_workflow_asks(written: str, meant: Any) -> None:
    found = github_expressions.Evaluator(GITHUB, {}).value(github_expressions.read(written))
    assert found == meant
    assert type(found) is type(meant)


def test_github_puts_values_into_texts_as_texts() -> None:
    worked = github_expressions.Evaluator(GITHUB, {}).text
    assert worked("a ${{ inputs.dry }} ${{ inputs.none }}${{ inputs.count }} ${{ github }} ${{ '}}' }}") == (
        "a false 3 Object }}"
    )
    with pytest.raises(ExpressionError, match="no '}}'"):
        worked("${{ inputs.dry }")


def test_a_condition_without_a_status_function_asks_for_success_too() -> None:
    def holds(condition: str, status: str) -> bool:
        functions: dict[str, Any] = {"success": lambda: status == "success", "failure": lambda: status == "failure"}
        functions |= {"always": lambda: True}
        return github_expressions.Evaluator(GITHUB, functions).holds(github_expressions.read_condition(condition))

    assert holds("inputs.stage == 'all'", "success")
    assert not holds("${{ inputs.stage == 'all' }}", "failure")
    assert holds("always() && inputs.stage == 'all'", "failure")
    assert holds("failure()", "failure")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("matrix.os", "the context 'matrix': not known"),
        ("hash('x')", "the function 'hash': not known"),
        ("a ==", "the context 'a'|it ends too early"),
        ("'open", "unexpected ''open'"),
        ("github.*.x", "unexpected"),
        ("(" * 60 + "1" + ")" * 60, "nested more than 50 deep"),
        ("1 == 1" * 5000, "longer than"),
    ],
)
def test_github_refuses_what_it_does_not_know(written: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        github_expressions.read(written)


AZURE = {
    "variables": {"Build.Reason": "Manual", "empty": "", "number": "3"},
    "dependencies": {"Train": {"result": "Succeeded", "outputs": {"train.t.build": "7"}}},
}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("variables['build.reason']", "Manual"),
        ("eq(variables['Build.Reason'], 'MANUAL')", True),
        ("eq(variables.missing, '')", True),
        ("eq(true, 'anything')", True),
        ("eq('True', true)", True),
        ("eq(1, 'one')", False),
        ("ne(variables.number, 3)", False),
        ("and(eq(1, 1), or(false, not('')))", True),
        ("in(dependencies.Train.result, 'Skipped', 'Succeeded')", True),
        ("notIn('a', 'b', 'c')", True),
        ("dependencies.Train.outputs['train.t.build']", "7"),
        ("coalesce(variables.empty, variables.missing, 'x')", "x"),
        ("format('{0}-{1}', 'a', true)", "a-True"),
        ("gt(variables.number, 2)", True),
        ("xor(true, false)", True),
        ("iif(eq(1, 2), variables.a.b, 'else')", "else"),
        ("startsWith('refs/heads/x', 'REFS')", True),
        ("replace(upper('ab'), 'A', 'c')", "cB"),
    ],
)
def test_azure_works_out_what_a_pipeline_asks(written: str, meant: Any) -> None:
    tree = azure_expressions.read_condition(written)
    assert azure_expressions.Evaluator(AZURE).value(tree) == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("parameters.stage", "'parameters' in an expression: not known to the practice cloud here"),
        ("counter('a', 1)", "the function 'counter': not known"),
        ("1 == 1", "unexpected '== 1'"),
        ("eq(1", "is missing"),
    ],
)
def test_azure_refuses_what_it_does_not_know(written: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        azure_expressions.read_condition(written)


def test_a_macro_is_replaced_where_there_is_such_a_variable_and_stays_where_not() -> None:
    variables = Variables({"BUILD_BUILDID": "9"}, {"databricks.host": "https://x", "both": "$(a)-$(B)"})
    variables.set("a", "1")
    variables.set("b", "$(build.buildid)")
    variables.set("token", "secret", secret=True)
    variables.set("round", "$(round)")
    assert variables.text("$(both) $(Build.BuildId) $(nothing) $(date)") == "1-9 9 $(nothing) $(date)"
    assert variables.text("$(token)") == "secret"
    assert variables.text("$(round)") == "$(round)"
    environment = variables.environment()
    assert environment["DATABRICKS_HOST"] == "https://x"
    assert environment["BUILD_BUILDID"] == "9"
    assert "TOKEN" not in environment


def test_what_stands_in_quotes_does_not_close_an_expression() -> None:
    assert expressions.places("${{ 'a }} b' }} and ${{ c }}") == ["'a }} b'", "c"]
