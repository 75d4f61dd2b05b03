"""What a notebook is written in: Databricks' source form, and Jupyter's, with the way from one to the other.

A source notebook is a program text whose first line says so; "COMMAND ----------" comments part its cells, and "MAGIC"
comments hold what is not in the notebook's own language.
"""

from __future__ import annotations

import json
from typing import Any

COMMENT = {"PYTHON": "#", "SQL": "--", "SCALA": "//", "R": "#"}
EXTENSION = {"PYTHON": ".py", "SQL": ".sql", "SCALA": ".scala", "R": ".r"}
TITLE = "Databricks notebook source"


class NotebookFormatError(ValueError):
    """The content is not the notebook it is said to be; the message says why."""


def header(language: str) -> str:
    return f"{COMMENT[language]} {TITLE}"


def language_of_extension(path: str) -> str | None:
    """The language that a file's name speaks of."""
    return next((name for name, ending in EXTENSION.items() if path.lower().endswith(ending)), None)


def language_of_header(text: str, path: str = "") -> str | None:
    """The language of a source notebook by its first line; None where it is none. R and Python share theirs."""
    first = text.partition("\n")[0].strip()
    fitting = [name for name in COMMENT if first == header(name)]
    if "R" in fitting:
        return "R" if path.lower().endswith(".r") else "PYTHON"
    return fitting[0] if fitting else None


def as_text(content: bytes) -> str:
    """Raises NotebookFormatError for what is not UTF-8."""
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise NotebookFormatError("The notebook's content is not UTF-8 text.") from error


def normalized(text: str, language: str) -> str:
    """Source with its header; one that lacks it gets it, as on import to the platform."""
    return text if text.partition("\n")[0].strip() == header(language) else f"{header(language)}\n{text}"


def from_jupyter(content: bytes) -> tuple[str, str]:
    """Source text and language of an .ipynb file (nbformat 4). Raises NotebookFormatError."""
    try:
        notebook = json.loads(content)
        cells = [(str(cell["cell_type"]), _joined(cell["source"])) for cell in notebook["cells"]]
        metadata = notebook.get("metadata", {})
    except (ValueError, KeyError, TypeError) as error:
        raise NotebookFormatError("The notebook is not a valid Jupyter notebook (nbformat 4).") from error
    named = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language") or "python"
    language = str(named).upper() if str(named).upper() in COMMENT else "PYTHON"
    comment = COMMENT[language]
    texts = [_cell_as_source(kind, text, comment) for kind, text in cells]
    return header(language) + "\n" + f"\n\n{comment} COMMAND ----------\n\n".join(texts) + "\n", language


def to_jupyter(text: str, language: str) -> bytes:
    """An .ipynb file of a source notebook, without outputs."""
    comment = COMMENT[language]
    body = normalized(text, language).partition("\n")[2]
    cells = [_cell_as_json(part.strip("\n"), comment) for part in body.split(f"{comment} COMMAND ----------\n")]
    metadata = {"language_info": {"name": language.lower()}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(notebook, indent=1).encode()


def _cell_as_source(kind: str, text: str, comment: str) -> str:
    if kind == "markdown":
        text = f"%md\n{text}"
    if not text.startswith("%"):
        return text
    return "\n".join(f"{comment} MAGIC {line}".rstrip() for line in text.split("\n"))


def _cell_as_json(text: str, comment: str) -> dict[str, Any]:
    prefix = f"{comment} MAGIC"
    if text.startswith(prefix):
        text = "\n".join(line.removeprefix(prefix).removeprefix(" ") for line in text.split("\n"))
    if text.startswith("%md"):
        return {"cell_type": "markdown", "metadata": {}, "source": text.removeprefix("%md").lstrip()}
    return {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}


def _joined(source: Any) -> str:
    return "".join(source) if isinstance(source, list) else str(source)
