"""A practice cloud that somebody else keeps, as the jobs of its pipelines see it: where it is, and whom it believes.

Such a job has nobody's credentials but its own: it signs in by what its pipeline was given.
"""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ORIGIN, AUTHORITY = "MLOPS_TUI_PRACTICE_ORIGIN", "MLOPS_TUI_PRACTICE_CA"
TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class Visited:
    origin: str  # "https://localhost:8443"
    ca_bundle: str  # a file

    def tenant_id(self) -> str:
        """Asked of the cloud itself. Raises OSError where it does not answer, ValueError where it is no such cloud."""
        context = ssl.create_default_context(cafile=self.ca_bundle)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"{self.origin}/common/discovery/instance", timeout=TIMEOUT) as response:
            answer = json.loads(response.read(1 << 20))
        try:
            path = urlsplit(str(answer["tenant_discovery_endpoint"])).path
        except (KeyError, TypeError) as error:
            raise ValueError("it names no tenant") from error
        return path.split("/")[1]


def visited(environment: Mapping[str, str]) -> Visited | None:
    """None where the environment names none: then everybody has one of their own. Raises ValueError for half of it."""
    origin, authority = environment.get(ORIGIN, "").rstrip("/"), environment.get(AUTHORITY, "")
    if not origin and not authority:
        return None
    if not origin.startswith("https://") or not Path(authority).is_file():
        raise ValueError(f"{ORIGIN} must be an https address, and {AUTHORITY} the file of its certificate authority")
    return Visited(origin, authority)
