"""Reading multipart/form-data bodies: `upload` of the Databricks SDK sends files in this way (RFC 7578)."""

from __future__ import annotations

import io

from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File

from mlops_tui.sandbox.api import Call


def is_multipart(call: Call) -> bool:
    return call.headers.get("content-type", "").lower().startswith("multipart/form-data")


def read_multipart(call: Call) -> tuple[dict[str, str], dict[str, bytes]]:
    """The plain fields, and the contents of the files, by name. Raises the dialect's 400 for a broken body."""
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}

    def on_field(field: Field) -> None:
        fields[(field.field_name or b"").decode()] = (field.value or b"").decode("utf-8", "replace")

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        files[(file.field_name or b"").decode()] = file.file_object.read()
        file.close()

    try:
        parse_form({"Content-Type": call.headers["content-type"].encode()}, io.BytesIO(call.body), on_field, on_file)
    except (FormParserError, ValueError) as error:
        raise call.dialect.malformed(f"The multipart body cannot be read: {error}") from error
    return fields, files
