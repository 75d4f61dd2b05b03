"""The expressions of Azure Resource Manager templates, as its reference explains them."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_tui.sandbox.template_expressions import Expressions, TemplateError, UnsupportedError

GIVEN = Expressions({"parameters": {"name": "wine", "tags": {"team": "a"}, "ports": [1, 2]}.__getitem__})


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("plain", "plain"),
        ("[[kept]", "[kept]"),
        (12, 12),
        ("[parameters('name')]", "wine"),
        ("[ concat( parameters('name') , '-', 12 ) ]", "wine-12"),
        ("[concat('it''s ', 'so')]", "it's so"),
        ("[parameters('tags').team]", "a"),
        ("[parameters('ports')[1]]", 2),
        ("[concat(parameters('ports'), createArray(3))]", [1, 2, 3]),
        ("[if(equals(parameters('name'), 'WINE'), 'same', nonsense())]", "same"),
        ("[if(and(true(), not(empty(parameters('ports')))), json('null'), 1)]", None),
        ("[toUpper(substring(parameters('name'), 1, 2))]", "IN"),
        ("[format('{0}/{1}', 'a', 2)]", "a/2"),
        ("[union(parameters('tags'), createObject('b', 1))]", {"team": "a", "b": 1}),
        ("[coalesce(null(), 'other')]", "other"),
        ("[length(uniqueString('a'))]", 13),
        ("[equals(guid('a', 'b'), guid('a', 'b'))]", True),
        ({"deep": ["[parameters('name')]", {"er": "[int('3')]"}]}, {"deep": ["wine", {"er": 3}]}),
    ],
)
def test_an_expression_is_worked_out(written: Any, value: Any) -> None:
    assert GIVEN.value(written) == value


@pytest.mark.parametrize(
    "written",
    [
        "[concat('a']",
        "[concat('a' 'b')]",
        "['unended]",
        "[]",
        "[parameters]",
        "[concat('a')] and more]",
        "[parameters('tags').nothing]",
        "[parameters('ports')[7]]",
        "[parameters('unknown')]",
        "[if('a', 'b')]",
        "[§]",
    ],
)
def test_what_makes_no_sense_is_refused(written: str) -> None:
    with pytest.raises(TemplateError):
        GIVEN.value(written)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(UnsupportedError, match="'listKeys'"):
        GIVEN.value("[listKeys('a', 'b').keys]")
