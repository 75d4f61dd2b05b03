"""How long clients wait and how often they try again, and whose certificates they believe."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud

CONNECT_SECONDS = 2.5  # twice that is the longest wait for a dead host
READ_SECONDS = 60.0
BUNDLE = "REQUESTS_CA_BUNDLE"

_lock = threading.Lock()
_replaced: dict[str, str | None] = {}  # an authority that `trust` has named, and what was named before it


def transport_options(cloud: Cloud) -> dict[str, Any]:
    """For azure-core's pipelines: a dead host is told within about five seconds, a busy one is ridden out."""
    options: dict[str, Any] = {
        "connection_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retry_total": 5,
        "retry_connect": 1,
        "retry_read": 2,
        "retry_status": 4,
        "retry_backoff_factor": 0.5,
        "retry_backoff_max": 20,
    }
    if cloud.ca_bundle:
        options["connection_verify"] = cloud.ca_bundle
    return options


def trust(cloud: Cloud) -> None:
    """Make the whole process believe the cloud's own authority: some SDKs look nowhere but in the environment.

    Such a cloud is on this machine or in this network, so that no proxy of the outside world knows it. A process that
    goes on to a public cloud (a worker) must believe the usual authorities again.
    """
    with _lock:
        there = os.environ.get(BUNDLE)
        before = _replaced.get(there or "", there)
        if cloud.ca_bundle:
            _replaced[cloud.ca_bundle] = before
            os.environ[BUNDLE] = cloud.ca_bundle
        elif before is None:
            os.environ.pop(BUNDLE, None)
        else:
            os.environ[BUNDLE] = before
    if not cloud.ca_bundle:
        return
    host = urlsplit(cloud.resource_manager).hostname or ""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [one for one in os.environ.get(name, "").split(",") if one]
        if host not in hosts:
            os.environ[name] = ",".join([*hosts, host])
