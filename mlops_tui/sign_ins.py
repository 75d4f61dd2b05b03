"""The ways into a cloud that this machine is prepared for, found in its files and variables: nothing is called."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_tui import redaction
from mlops_tui.events import SignIn
from mlops_tui.settings import BY_NAME, given_text, problem_of

LARGEST = 4 * 1024 * 1024  # bytes; an account with hundreds of subscriptions has a tenth of that
CLOUDS = {"AzureCloud": "Azure", "AzureUSGovernment": "Azure US Government", "AzureChinaCloud": "Azure China"}
# ARM_ENVIRONMENT, as Terraform spells the clouds; the Azure CLI's names count, too.
TERRAFORM_NAMES = {"public": "AzureCloud", "usgovernment": "AzureUSGovernment", "china": "AzureChinaCloud"}
HOSTS = {
    ".azuredatabricks.net": "AzureCloud",
    ".databricks.azure.us": "AzureUSGovernment",
    ".databricks.azure.cn": "AzureChinaCloud",
}
PROFILE_SECRETS = ("token", "client_secret", "azure_client_secret", "password")
GITHUB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")


class _UnreadableError(Exception):
    """A file that is there and cannot be understood; says why."""


def find(environment: Mapping[str, str], home: Path) -> tuple[SignIn, ...]:
    """The prepared ways first, then those that take a person. A file that cannot be read is told of there."""
    found = list(_from_variables(environment))
    unread: list[str] = []
    for file, read in (
        (_cli_profile(environment, home), _from_cli),
        (_databricks_profiles(environment, home), _from_databricks),
    ):
        name = _short(file, home)
        try:
            text = _text(file)
            found += read(text, name) if text else ()
        except _UnreadableError as error:
            unread.append(f"{name} cannot be read: {error}")
    return (*found, *_with_a_person(unread))


def _cli_profile(environment: Mapping[str, str], home: Path) -> Path:
    folder = given_text(environment, "AZURE_CONFIG_DIR")
    return (Path(folder) if folder else home / ".azure") / "azureProfile.json"


def _databricks_profiles(environment: Mapping[str, str], home: Path) -> Path:
    file = given_text(environment, "DATABRICKS_CONFIG_FILE")
    if not file:
        return home / ".databrickscfg"
    return home / file[2:] if file.startswith("~/") else Path(file)


def _short(file: Path, home: Path) -> str:
    return f"~/{file.relative_to(home).as_posix()}" if file.is_relative_to(home) else str(file)


def _text(file: Path) -> str:
    """Empty where there is none. Raises _UnreadableError."""
    try:
        if not file.is_file():  # a pipe would keep us waiting
            return ""
        with file.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise _UnreadableError("it is too large")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise _UnreadableError(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _UnreadableError("it is not UTF-8 text") from error


def _from_variables(environment: Mapping[str, str]) -> Iterator[SignIn]:
    """An application's id with its secret, or with a token that a CI host gives."""
    tenant, client = _variable(environment, "tenant_id"), _variable(environment, "client_id")
    if not (tenant and client):
        return
    cloud = {"cloud": _cloud_of_variables(environment)}
    name = f"{CLOUDS[cloud['cloud']]}: application {given_text(environment, client)}"
    if secret := _variable(environment, "client_secret"):
        redaction.register(environment[secret])
        detail = f"client secret, from the variables {tenant}, {client} and {secret}"
        yield SignIn(name, detail, {**cloud, "sign_in": "environment"})
    if token := _federated(environment):
        detail = f"token of the CI host, from the variables {tenant}, {client} and {token}"
        yield SignIn(name, detail, {**cloud, "sign_in": "federated"})


def _variable(environment: Mapping[str, str], setting: str) -> str:
    """The variable that gives the setting; empty where none does."""
    return next((name for name in BY_NAME[setting].variables if given_text(environment, name)), "")


def _cloud_of_variables(environment: Mapping[str, str]) -> str:
    said = given_text(environment, "ARM_ENVIRONMENT").lower()
    by_name = {name.lower(): name for name in CLOUDS}
    return TERRAFORM_NAMES.get(said) or by_name.get(said) or "AzureCloud"


def _federated(environment: Mapping[str, str]) -> str:
    if file := _variable(environment, "federated_token_file"):
        return file
    for names in (("ARM_OIDC_TOKEN",), GITHUB):
        if all(given_text(environment, name) for name in names):
            redaction.register(environment[names[-1]])
            return " and ".join(names)
    return ""


def _from_cli(text: str, file: str) -> list[SignIn]:
    """A way for each subscription that `az login` has found, the default one first. Raises _UnreadableError."""
    try:
        listed = json.loads(text)["subscriptions"]
        subscriptions = [one for one in listed if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _UnreadableError("it is not what the Azure CLI writes") from error
    subscriptions.sort(key=lambda one: one.get("isDefault") is not True)
    return [_of_cli(one) for one in subscriptions if _is_usable(one)]


def _is_usable(subscription: Mapping[str, Any]) -> bool:
    """Where an account has no subscription, the Azure CLI lists its tenant in the place of one."""
    wanted = {"subscription_id": str(subscription.get("id")), "tenant_id": str(subscription.get("tenantId"))}
    return (
        not any(problem_of(name, text) for name, text in wanted.items())
        and wanted["subscription_id"] != wanted["tenant_id"]
        and subscription.get("environmentName") in CLOUDS
        and subscription.get("state") in (None, "Enabled", "Warned", "PastDue")
    )


def _of_cli(subscription: Mapping[str, Any]) -> SignIn:
    cloud, tenant = str(subscription["environmentName"]), str(subscription["tenantId"])
    user = subscription.get("user")
    who = _line(user.get("name")) if isinstance(user, dict) else ""
    directory = _line(subscription.get("tenantDefaultDomain") or subscription.get("tenantDisplayName") or tenant)
    of_cloud = "" if cloud == "AzureCloud" else f", {CLOUDS[cloud]}"
    return SignIn(
        f"Azure CLI: {who or 'signed in'}",
        f"subscription {_line(subscription.get('name')) or subscription['id']}, tenant {directory}{of_cloud}",
        {
            "cloud": cloud,
            "sign_in": "cli",
            "tenant_id": tenant.lower(),
            "subscription_id": str(subscription["id"]).lower(),
        },
    )


def _from_databricks(text: str, file: str) -> list[SignIn]:
    """A way for each profile with a workspace on Azure. Its token is hidden and not used. Raises _UnreadableError."""
    profiles = configparser.ConfigParser(interpolation=None, default_section="\0", strict=False)
    try:
        profiles.read_string(text)
    except configparser.Error as error:  # its own text may hold a token
        raise _UnreadableError("it is not what the Databricks CLI writes") from error
    redaction.register(*(section.get(key) for section in profiles.values() for key in PROFILE_SECRETS))
    return [found for name in profiles.sections() if (found := _of_profile(name, profiles[name], file))]


def _of_profile(name: str, profile: Mapping[str, str], file: str) -> SignIn | None:
    host = profile.get("host", "").strip()
    address = re.sub(r"^https://", "", host.lower()).split("/")[0]
    cloud = next((cloud for ending, cloud in HOSTS.items() if address.endswith(ending)), "")
    if not cloud or address.startswith("accounts.") or problem_of("databricks_host", host):
        return None
    token = " Its token is not used: set DATABRICKS_TOKEN for that." if profile.get("token") else ""
    return SignIn(
        f"Databricks workspace of the profile {_line(name)}",
        f"{address}, named in {file}; you sign in to {CLOUDS[cloud]} for it.{token}",
        {"cloud": cloud, "databricks_host": f"https://{address}"},
    )


def _with_a_person(unread: list[str]) -> tuple[SignIn, ...]:
    code = "You get a code, and enter it in a browser on any machine."
    return (
        SignIn(
            "Azure: sign in with a browser",
            " ".join(["Opens your browser, on this machine.", *(f"{one}." for one in unread)]),
            {"cloud": "AzureCloud", "sign_in": "browser"},
        ),
        *(
            SignIn(f"{words}: sign in with a device code", code, {"cloud": cloud, "sign_in": "device-code"})
            for cloud, words in CLOUDS.items()
        ),
    )


def _line(text: object) -> str:
    """Of somebody else's text, what fits on a line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(text or "")).split())[:120]
