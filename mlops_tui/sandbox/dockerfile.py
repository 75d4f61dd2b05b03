"""Dockerfiles, as text: instructions with their lines, and words with variables and quotes resolved.

Source: Dockerfile reference (format, parser directives, environment replacement, exec and shell form).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*")
FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s*")
VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:[-+])((?:[^{}]|\$\{\w+\})*))?\})")
KEYWORDS = {
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"),
    *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
}


class DockerfileError(Exception):
    """The Dockerfile is wrong, or asks for what cannot be done; `line` is where."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Instruction:
    """One instruction: `text` is what follows the keyword and its flags, in one line."""

    line: int
    keyword: str
    text: str
    flags: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> str:
        """As Docker repeats it in a step's headline."""
        flags = "".join(f"--{name}={value} " if value else f"--{name} " for name, value in self.flags)
        return f"{self.keyword} {flags}{self.text}"

    @property
    def listed(self) -> list[str] | None:
        """The words of the exec form, a JSON list of strings; None for the shell form."""
        if not self.text.startswith("["):
            return None
        try:
            found = json.loads(self.text)
        except ValueError:
            return None  # Docker, too, takes a broken list for a shell command
        return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


def parse(text: str) -> list[Instruction]:
    """Every instruction in turn. Raises DockerfileError."""
    found = [_instruction(line, logical) for line, logical in _logical_lines(text)]
    if not found:
        raise DockerfileError("the Dockerfile cannot be empty")
    first = next((one for one in found if one.keyword != "ARG"), found[0])
    if first.keyword != "FROM":
        raise DockerfileError("no build stage in current context: a Dockerfile starts with FROM", first.line)
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines, continued ones joined; comments and empty lines are left out, inside of them too."""
    escape, start, parts = _escape(text), 0, list[str]()
    number = 0
    for number, raw in enumerate(text.lstrip("\ufeff").split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        start = start if parts else number
        if line.endswith(escape):
            parts.append(line[:-1])
            continue
        yield start, "".join([*parts, line])
        parts = []
    if parts:
        yield start, "".join(parts)


def _escape(text: str) -> str:
    """What continues a line: a backslash, unless a directive on top says "`"."""
    for line in text.splitlines():
        found = DIRECTIVE.fullmatch(line.strip())
        if found is None:
            break
        if found[1].lower() == "escape":
            if found[2] not in ("\\", "`"):
                raise DockerfileError(f"invalid ESCAPE '{found[2]}'. Must be ` or \\", 1)
            return found[2]
    return "\\"


def _instruction(line: int, logical: str) -> Instruction:
    keyword, _, rest = logical.strip().partition(" ")
    keyword, rest = keyword.upper(), rest.strip()
    if keyword not in KEYWORDS:
        raise DockerfileError(f"unknown instruction: {keyword}", line)
    flags = []
    while keyword in ("ADD", "COPY", "FROM", "HEALTHCHECK", "RUN") and (found := FLAG.match(rest)):
        flags.append((found[1], found[2] or ""))
        rest = rest[found.end() :]
    if not rest:
        raise DockerfileError(f"{keyword} requires at least one argument", line)
    if keyword in ("RUN", "COPY", "ADD") and "<<" in rest and re.search(r"<<-?['\"]?\w", rest):
        raise DockerfileError(f"{keyword} with a here-document is not supported by the sandbox", line)
    return Instruction(line, keyword, rest, tuple(flags))


def words(text: str, variables: Mapping[str, str]) -> list[str]:
    """The words of an instruction: quotes go, variables are replaced (not within single quotes)."""
    found: list[str] = []
    word: list[str] | None = None
    quote, at = "", 0
    while at < len(text):
        char = text[at]
        if not quote and char.isspace():
            if word is not None:
                found.append("".join(word))
            word, at = None, at + 1
            continue
        word = [] if word is None else word
        if char == quote or (not quote and char in "'\""):
            quote, at = "" if quote else char, at + 1
        elif char == "\\" and quote != "'" and at + 1 < len(text):
            kept = quote == '"' and text[at + 1] not in '"$\\'
            word.append(text[at : at + 2] if kept else text[at + 1])
            at += 2
        elif char == "$" and quote != "'" and (variable := VARIABLE.match(text, at)):
            word.append(_value(variable, variables))
            at = variable.end()
        else:
            word.append(char)
            at += 1
    if quote:
        raise DockerfileError(f"unexpected end of statement while looking for matching {quote}-quote")
    return found if word is None else [*found, "".join(word)]


def replaced(text: str, variables: Mapping[str, str]) -> str:
    """With its variables replaced, quotes being characters like others."""
    return VARIABLE.sub(lambda found: _value(found, variables), text)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    """$NAME, ${NAME}, ${NAME:-default}, ${NAME:+other}: "" stands for what is not set."""
    value = variables.get(found[1] or found[2], "")
    if found[3]:
        other = replaced(found[4], variables)
        return (value or other) if found[3] == ":-" else (other if value else "")
    return value


def pairs(instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
    """The names and values of ENV and LABEL: `A=1 B="two words"`, or the older `A one value`."""
    parts = words(instruction.text, variables)
    name, _, rest = instruction.text.partition(" ")
    if "=" not in name:
        if not rest.strip():
            raise DockerfileError(f"{instruction.keyword} must have two arguments", instruction.line)
        return {name: " ".join(words(rest, variables))}
    made = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key:
            message = f'Syntax error - can\'t find = in "{part}". Must be of the form: name=value'
            raise DockerfileError(message, instruction.line)
        made[key] = value
    return made


def command(instruction: Instruction) -> tuple[str, ...]:
    """What CMD, ENTRYPOINT or RUN starts: the exec form as it is, the shell form through a shell."""
    listed = instruction.listed
    return tuple(listed) if listed is not None else ("/bin/sh", "-c", instruction.text)
