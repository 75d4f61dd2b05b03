"""How requests to Azure Storage are signed: the texts that account keys sign, and shared access signatures (SAS).

By "Authorize with Shared Key", "Create a service SAS" and "Create an account SAS" of the Azure Storage REST reference.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

VERSION = "2023-11-03"  # that our own signatures are made for
EARLY = timedelta(minutes=5)  # by which they start before now: clocks differ
SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
SERVICE_FIELDS_END = ("rscc", "rscd", "rsce", "rscl", "rsct")
SCOPES_SINCE = "2020-12-06"  # the version from which an encryption scope is signed, too


def sign(key: str, text: str) -> str:
    """`key` as Azure gives it, in base64."""
    return base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def shared_key_text(
    method: str, headers: Mapping[str, str], raw_path: str, query: Mapping[str, list[str]], account: str
) -> str:
    """What an account key signs; header names in lower case, `raw_path` as it was sent."""
    values = {name: headers.get(name, "") for name in SIGNED_HEADERS}
    if values["content-length"] == "0":
        values["content-length"] = ""
    if "x-ms-date" in headers:
        values["date"] = ""
    own = sorted((name, " ".join(value.split())) for name, value in headers.items() if name.startswith("x-ms-"))
    resource = f"/{account}{raw_path}"
    for name in sorted(query, key=str.lower):
        resource += f"\n{name.lower()}:{','.join(sorted(query[name]))}"
    lines = [method, *values.values(), *(f"{name}:{value}" for name, value in own), resource]
    return "\n".join(lines)


def service_text(sas: Mapping[str, str], account: str, container: str, blob: str) -> str:
    """What a service SAS signs; `blob` is empty where it is for the container."""
    place = f"/blob/{account}/{container}" + (f"/{blob}" if sas.get("sr") == "b" else "")
    fields = [sas.get("sp", ""), sas.get("st", ""), sas.get("se", ""), place]
    fields += [sas.get(name, "") for name in ("si", "sip", "spr", "sv", "sr")]
    fields.append("")  # the snapshot
    if sas.get("sv", "") >= SCOPES_SINCE:
        fields.append(sas.get("ses", ""))
    return "\n".join(fields + [sas.get(name, "") for name in SERVICE_FIELDS_END])


def account_text(sas: Mapping[str, str], account: str) -> str:
    """What an account SAS signs: it has `ss` and `srt` where a service SAS has `sr`."""
    fields = [account] + [sas.get(name, "") for name in ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")]
    if sas.get("sv", "") >= SCOPES_SINCE:
        fields.append(sas.get("ses", ""))
    return "\n".join(fields) + "\n"


def service_sas(key: str, account: str, container: str, blob: str, permissions: str, minutes: float) -> str:
    """A SAS for one blob, or for the container where `blob` is empty; a query string."""
    now = datetime.now(UTC)
    sas = {
        "sv": VERSION,
        "st": _stamp(now - EARLY),
        "se": _stamp(now + timedelta(minutes=minutes)),
        "sr": "b" if blob else "c",
        "sp": permissions,
        "spr": "https",
    }
    sas["sig"] = sign(key, service_text(sas, account, container, blob))
    return urlencode(sas)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
