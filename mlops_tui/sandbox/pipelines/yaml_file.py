"""A pipeline's file as nodes that know their line, and that say no to what nobody here understands.

Built from YAML's events, never from tags: a file can make no objects. Depth, size and number of nodes have limits.
GitHub has anchors and aliases, but no merge keys (GitHub, "Workflow syntax", YAML anchors and aliases); Azure Pipelines
has neither (Microsoft, "YAML schema reference": unsupported are anchors, complex keys and sets).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import yaml

from mlops_tui.sandbox.pipelines.model import PipelineFileError

SIZE_LIMIT = 256 * 1024  # bytes
DEPTH_LIMIT = 50
NODE_LIMIT = 20_000  # those that aliases repeat counted again
UNKNOWN = "not known to the practice cloud"


@dataclass(frozen=True)
class Node:
    """Of a file, at a line (from 1). Each kind answers one of the questions; the others are refused."""

    file: str
    line: int

    def refuse(self, message: str) -> PipelineFileError:
        return PipelineFileError(self.file, self.line, message)

    def unknown(self, what: str) -> PipelineFileError:
        return self.refuse(f"{what}: {UNKNOWN}")

    def text(self, what: str) -> str:
        raise self.refuse(f"{what} must be a text")

    def items(self, what: str) -> tuple[Node, ...]:
        raise self.refuse(f"{what} must be a list")

    def pairs(self, what: str) -> tuple[tuple[Scalar, Node], ...]:
        raise self.refuse(f"{what} must be a mapping")

    def fields(self, what: str, known: Collection[str]) -> dict[str, Node]:
        """The values by key. A key that is not known is refused."""
        found: dict[str, Node] = {}
        for key, value in self.pairs(what):
            if key.value not in known:
                raise key.unknown(f"'{key.value}' of {what}")
            found[key.value] = value
        return found

    def texts(self, what: str) -> dict[str, str]:
        """A mapping of texts."""
        return {key.value: value.text(f"'{key.value}' of {what}") for key, value in self.pairs(what)}

    def words(self, what: str) -> list[str]:
        """A list of texts, or one text in its place."""
        return [item.text(what) for item in self.items(what)] if isinstance(self, Sequence) else [self.text(what)]

    def flag(self, what: str) -> bool:
        text = self.text(what).lower()
        if text not in ("true", "false"):
            raise self.refuse(f"{what} must be true or false, not '{text}'")
        return text == "true"

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands there (`push:` and no more)."""
        return False


@dataclass(frozen=True)
class Scalar(Node):
    value: str
    plain: bool = True  # written without quotes

    def text(self, what: str) -> str:
        return "" if self.is_empty else self.value

    def pairs(self, what: str) -> tuple[tuple[Scalar, Node], ...]:
        return () if self.is_empty else super().pairs(what)

    def items(self, what: str) -> tuple[Node, ...]:
        return () if self.is_empty else super().items(what)

    @property
    def is_empty(self) -> bool:
        return self.plain and self.value in ("", "~", "null")


@dataclass(frozen=True)
class Sequence(Node):
    nodes: tuple[Node, ...]

    def items(self, what: str) -> tuple[Node, ...]:
        return self.nodes


@dataclass(frozen=True)
class Mapping(Node):
    entries: tuple[tuple[Scalar, Node], ...]

    def pairs(self, what: str) -> tuple[tuple[Scalar, Node], ...]:
        return self.entries

    def get(self, key: str) -> Node | None:
        return next((value for name, value in self.entries if name.value == key), None)


def parse(file: str, data: bytes, aliases: bool) -> Mapping:
    """The one document of a file, a mapping. Raises PipelineFileError."""
    if len(data) > SIZE_LIMIT:
        raise PipelineFileError(file, 1, f"the file is larger than {SIZE_LIMIT // 1024} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PipelineFileError(file, data[: error.start].count(b"\n") + 1, "this is not UTF-8") from error
    try:
        root = _Composer(file, text, aliases).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise PipelineFileError(file, line, f"this is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise PipelineFileError(file, 1, f"this is not YAML: {error}") from error
    if not isinstance(root, Mapping):
        raise root.refuse("a pipeline is a mapping")
    return root


class _Composer:
    """Makes nodes of events."""

    def __init__(self, file: str, text: str, aliases: bool) -> None:
        self._file = file
        self._aliases = aliases
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, tuple[Node, int]] = {}  # and of how many nodes each is made
        self._count = 0

    def document(self) -> Node:
        next(self._events)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            raise PipelineFileError(self._file, 1, "the file is empty")
        root = self._node(next(self._events), 1)
        next(self._events)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refuse(event, "a second document: a file has one pipeline")
        return root

    def _refuse(self, event: yaml.Event, message: str) -> PipelineFileError:
        return PipelineFileError(self._file, _line(event), message)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        before = self._count
        self._count += 1
        if depth > DEPTH_LIMIT:
            raise self._refuse(event, f"this is nested more than {DEPTH_LIMIT} deep")
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event)
        node = self._made(event, depth)
        if self._count > NODE_LIMIT:
            raise self._refuse(event, f"the file has more than {NODE_LIMIT} nodes")
        anchor = getattr(event, "anchor", None)
        if anchor:
            if not self._aliases:
                raise self._refuse(event, f"the anchor '&{anchor}': Azure Pipelines has no YAML anchors")
            self._anchors[anchor] = (node, self._count - before)
        return node

    def _made(self, event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        if getattr(event, "tag", None):
            raise self._refuse(event, f"the tag '{event.tag}': {UNKNOWN}")  # type: ignore[attr-defined]
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(self._file, line, event.value, event.style is None)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(self._file, line, tuple(self._until(yaml.SequenceEndEvent, depth)))
        return Mapping(self._file, line, tuple(self._entries(depth)))

    def _until(self, end: type[yaml.Event], depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), end):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: set[str] = set()
        nodes = self._until(yaml.MappingEndEvent, depth)
        for key in nodes:
            if not isinstance(key, Scalar):
                raise key.refuse("a key must be a text")
            if key.value == "<<":
                raise key.refuse("the merge key '<<': neither host has it")
            if key.value in seen and not key.value.startswith("${{"):
                raise key.refuse(f"'{key.value}' is already defined")
            seen.add(key.value)
            yield key, next(nodes)

    def _repeated(self, event: yaml.AliasEvent) -> Node:
        if not self._aliases:
            raise self._refuse(event, f"the alias '*{event.anchor}': Azure Pipelines has no YAML anchors")
        if event.anchor not in self._anchors:
            raise self._refuse(event, f"the alias '*{event.anchor}' has no anchor before it")
        node, count = self._anchors[event.anchor]
        self._count += count
        return node


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1
