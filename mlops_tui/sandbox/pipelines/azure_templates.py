"""What Azure Pipelines does with a file before it reads it: ${{ }} is worked out, and ${{ if }} keeps or drops parts.

Microsoft, "Template expressions" and "Conditional insertion": parameters, and the variables that the file itself gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlops_tui.sandbox.pipelines import azure_expressions, expressions
from mlops_tui.sandbox.pipelines.azure_expressions import Evaluator
from mlops_tui.sandbox.pipelines.expressions import PLACE, ExpressionError
from mlops_tui.sandbox.pipelines.yaml_file import Mapping as YamlMapping
from mlops_tui.sandbox.pipelines.yaml_file import Node, Scalar, Sequence


class Template:
    """Works out nodes for one run. Raises PipelineFileError with the line of what cannot be worked out."""

    def __init__(self, parameters: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self._names = tuple(name.lower() for name in parameters)
        self._evaluator = Evaluator({"parameters": parameters, "variables": variables})

    def worked_out(self, node: Node) -> Node:
        if isinstance(node, Scalar):
            return self._scalar(node)
        if isinstance(node, Sequence):
            return replace(node, nodes=tuple(self._items(node)))
        assert isinstance(node, YamlMapping)
        return self._mapping(node, tuple(self._entries(node)))

    def _mapping(self, node: YamlMapping, entries: tuple[tuple[Scalar, Node], ...]) -> YamlMapping:
        seen: set[str] = set()
        for key, _ in entries:
            if key.value in seen:
                raise key.refuse(f"'{key.value}' is already defined")
            seen.add(key.value)
        return replace(node, entries=entries)

    def _scalar(self, node: Scalar) -> Scalar:
        if "${{" not in node.value:
            return node
        try:
            expressions.places(node.value)
        except ExpressionError as error:
            raise node.refuse(str(error)) from error
        worked = PLACE.sub(lambda found: self._text(node, found[1]), node.value)
        return replace(node, value=worked, plain=False)

    def _text(self, node: Node, expression: str) -> str:
        return str(self._value(node, expression, azure_expressions.text))

    def _value(self, node: Node, expression: str, made: Any = lambda value: value) -> Any:
        try:
            tree = azure_expressions.read(expression, ("parameters", "variables"))
            self._check_parameters(tree)
            return made(self._evaluator.value(tree))
        except ExpressionError as error:
            raise node.refuse(str(error)) from error

    def _check_parameters(self, tree: expressions.Tree) -> None:
        for part in expressions.parts(tree):
            if isinstance(part, expressions.Member) and part.whole == expressions.Name("parameters"):
                key = part.key.value if isinstance(part.key, expressions.Literal) else None
                if isinstance(key, str) and key.lower() not in self._names:
                    raise ExpressionError(f"the parameter '{key}' is not declared")

    def _items(self, node: Sequence) -> Iterator[Node]:
        taken: bool | None = None  # whether the `if` before has held; None where there is none
        for item in node.nodes:
            branch = _branch(item)
            if branch is None:
                taken = None
                yield self.worked_out(item)
                continue
            key, value = branch
            holds, taken = self._holds(key, taken)
            if holds:
                yield from self._items(value) if isinstance(value, Sequence) else (self.worked_out(value),)

    def _entries(self, node: YamlMapping) -> Iterator[tuple[Scalar, Node]]:
        taken: bool | None = None
        for key, value in node.entries:
            if not key.value.strip().startswith("${{"):
                taken = None
                yield key, self.worked_out(value)
                continue
            holds, taken = self._holds(key, taken)
            if holds and not isinstance(value, YamlMapping):
                raise value.refuse("what is inserted into a mapping must be a mapping")
            if holds:
                assert isinstance(value, YamlMapping)
                yield from self._entries(value)

    def _holds(self, key: Scalar, taken: bool | None) -> tuple[bool, bool]:
        """Whether the branch is kept, and whether one of its row has been by now."""
        places = PLACE.fullmatch(key.value.strip())
        word, _, condition = (places[1].strip() if places else key.value).partition(" ")
        if word not in ("if", "elseif", "else") or not places:
            raise key.unknown(f"'{key.value}'")
        if word == "if":
            holds = azure_expressions.truth(self._value(key, condition))
            return holds, holds
        if taken is None:
            raise key.refuse(f"'{word}' has no 'if' before it")
        holds = not taken and (word == "else" or azure_expressions.truth(self._value(key, condition)))
        return holds, taken or holds


def _branch(item: Node) -> tuple[Scalar, Node] | None:
    """`- ${{ if … }}:` in a list, with what stands below it."""
    if isinstance(item, YamlMapping) and len(item.entries) == 1 and item.entries[0][0].value.strip().startswith("${{"):
        return item.entries[0]
    return None
