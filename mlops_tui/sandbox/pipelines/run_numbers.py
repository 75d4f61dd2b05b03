"""What runs are called on Azure Pipelines, by a format (Microsoft, "Configure run or build numbers")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

TOKEN = re.compile(r"\$\(([\w.]+)(?::([^()]*))?\)")
REVISION = re.compile(r"\$\(Rev:([^()]*)\)", re.IGNORECASE)
PARTS = {  # of a .NET date format
    "yyyy": "%Y",
    "yy": "%y",
    "MMM": "%b",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
}
NAMED = {
    "year": "%Y",
    "month": "%m",
    "dayofmonth": "%d",
    "dayofyear": "%j",
    "hours": "%H",
    "minutes": "%M",
    "seconds": "%S",
}


def azure(pattern: str, known: Mapping[str, str], now: datetime, count: Callable[[str], int]) -> str:
    """`known`: variables by name; `count`: the next number for what the rest of the name says."""
    by_name = {name.lower(): value for name, value in known.items()}

    def put(found: re.Match[str]) -> str:
        name, written = found[1].lower(), found[2] or ""
        if name == "date":
            return _date(written or "yyyyMMdd", now)
        if name in NAMED:
            return _date(written, now) if written else now.strftime(NAMED[name])
        return found[0] if name == "rev" else by_name.get(ALIASES.get(name, name), found[0])

    text = TOKEN.sub(put, pattern)
    return REVISION.sub(lambda found: _revision(found[1], count(REVISION.sub("", text))), text)


ALIASES = {
    "builddefinitionname": "build.definitionname",
    "definitionname": "build.definitionname",
    "sourcebranchname": "build.sourcebranchname",
    "buildid": "build.buildid",
    "teamproject": "system.teamproject",
}


def _date(written: str, now: datetime) -> str:
    parts = sorted(PARTS, key=len, reverse=True)
    return re.sub("|".join(parts), lambda found: now.strftime(PARTS[found[0]]), written)


def _revision(written: str, number: int) -> str:
    """`.r` is .1, `.rr` is .01."""
    return re.sub("r+", lambda found: str(number).zfill(len(found[0])), written, count=1)
