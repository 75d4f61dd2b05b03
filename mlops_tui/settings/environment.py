"""Environment variables, and what belongs to another cloud than the one that is practised with.

A shell often carries somebody's real identity (ARM_…, AZURE_…, DATABRICKS_…), and a project file may describe a real
subscription. A sandbox must neither be shown that identity nor reach a real workspace with it. Our own variables
(MLOPS_TUI_…) and flags are set on purpose and always count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlops_tui.settings.table import AMBIENT, BY_NAME, CONNECTION, SETTINGS

FOREIGN = "ignored: belongs to another tenant"
AMBIENT_VARIABLES = frozenset(variable for setting in SETTINGS for variable in setting.also)
_IDENTITY = ("tenant_id", "client_id", "client_secret", "subscription_id", "federated_token_file")
_HOST_TOKENS = ("azure_devops_token", "github_token")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def given_text(environment: Mapping[str, str], variable: str) -> str:
    """The variable's value; empty where CI left it empty, or left Azure Pipelines' `$(name)` unresolved."""
    text = environment.get(variable, "").strip()
    return "" if re.fullmatch(r"\$\([\w.-]+\)", text) else text


def foreign_sources(environment: Mapping[str, str], practice: Mapping[str, str]) -> frozenset[str]:
    """Names of the variables that must not count; none without a sandbox."""
    if not practice:
        return frozenset()
    tenants = {prefix: given_text(environment, f"{prefix}TENANT_ID") for prefix in (*AMBIENT, CONNECTION)}
    either = next(filter(None, tenants.values()), "")
    foreign: set[str] = set()
    for prefix, tenant in tenants.items():
        named = tenant or either
        if named and named.lower() != practice.get("tenant_id", "").lower():
            foreign |= {name for key in _IDENTITY for name in BY_NAME[key].also if name.startswith(prefix)}
    host = given_text(environment, "DATABRICKS_HOST")
    if (host and is_foreign_host(host, practice)) or (not host and foreign):
        foreign |= {"DATABRICKS_HOST", "DATABRICKS_TOKEN"}
    # Real tokens, whosever tenant this is: the practice cloud has tokens of its own.
    foreign |= {name for key in _HOST_TOKENS for name in BY_NAME[key].also}
    return frozenset(foreign)


def foreign_keys(file_values: Mapping[str, object], practice: Mapping[str, str]) -> frozenset[str]:
    """Keys of the project file that must not count; its ids are outranked by the sandbox's anyway."""
    if not practice:
        return frozenset()
    foreign = {"azure.federated_token_file"}
    if file_values.get("azure.sign_in") not in ("auto", "environment"):
        foreign.add("azure.sign_in")  # would fetch a real token, to show it to the sandbox
    if is_foreign_host(str(file_values.get("databricks.host", "")), practice):
        foreign.add("databricks.host")
    vault = str(file_values.get("databricks.key_vault", "")).lower()
    subscription = practice.get("subscription_id", "").lower()  # not told to pipelines, whose file was written for it
    if subscription and not vault.startswith(f"/subscriptions/{subscription}/"):
        foreign.add("databricks.key_vault")
    return frozenset(foreign)


def is_foreign_host(host: str, practice: Mapping[str, str]) -> bool:
    """Whether a Databricks host is not the sandbox; where its origin is not told, anything on this machine may be."""
    if not practice:
        return False
    address = _address(host)
    if origin := practice.get("origin", ""):
        return address != _address(origin)
    return address.rpartition(":")[0] not in _LOOPBACK and address not in _LOOPBACK


def _address(url: str) -> str:
    """ "localhost:8443" of "https://localhost:8443/?o=1"."""
    return re.split(r"[/?#]", url.strip().lower().removeprefix("https://"), maxsplit=1)[0]
