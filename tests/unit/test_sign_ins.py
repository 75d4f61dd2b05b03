"""The ways into a cloud that a machine is prepared for, found without calling anybody."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.events import SignIn
from mlops_tui.redaction import redact
from mlops_tui.settings import BY_NAME, problem_of
from mlops_tui.sign_ins import find

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "33333333-3333-4333-8333-333333333333"
ONE, TWO, THREE = (f"4444444{number}-4444-4444-8444-444444444444" for number in (1, 2, 3))


def subscription(id: str, name: str, **other: Any) -> dict[str, Any]:  # noqa: A002 (the file's name)
    return {
        "id": id,
        "name": name,
        "state": "Enabled",
        "user": {"name": "ada@example.com", "type": "user"},
        "isDefault": False,
        "tenantId": TENANT,
        "environmentName": "AzureCloud",
        "tenantDefaultDomain": "contoso.com",
        **other,
    }


def cli(folder: Path, *subscriptions: object) -> None:
    folder.mkdir(exist_ok=True)
    text = json.dumps({"installationId": "x", "subscriptions": subscriptions})
    (folder / "azureProfile.json").write_text(text, encoding="utf-8-sig")  # as `az` writes it


def prepared(home: Path, **environment: str) -> list[SignIn]:
    """Those that take no further person, all of which the settings can take."""
    found = find(environment, home)
    for way in found:
        assert [problem_of(name, value) for name, value in way.settings.items()] == [""] * len(way.settings)
        assert not any(BY_NAME[name].secret for name in way.settings)
    return [way for way in found if way.settings.get("sign_in") not in ("browser", "device-code")]


def test_a_machine_that_is_prepared_for_nothing_still_has_ways_with_a_person(tmp_path: Path) -> None:
    assert prepared(tmp_path) == []
    assert [(way.settings["cloud"], way.settings["sign_in"]) for way in find({}, tmp_path)] == [
        ("AzureCloud", "browser"),
        ("AzureCloud", "device-code"),
        ("AzureUSGovernment", "device-code"),
        ("AzureChinaCloud", "device-code"),
    ]


def test_each_subscription_of_the_azure_cli_is_a_way_the_default_one_first(tmp_path: Path) -> None:
    cli(
        tmp_path / ".azure",
        subscription(ONE, "Old", state="Disabled"),
        subscription(TWO, "Second"),
        subscription(THREE, "First", isDefault=True, environmentName="AzureUSGovernment"),
        subscription(TENANT, "N/A(tenant level account)"),
        subscription(ONE, "Elsewhere", environmentName="AzureStackHub"),
        "not a subscription",
        subscription("1", "No id"),
    )
    first, second = prepared(tmp_path)
    assert first.title == second.title == "Azure CLI: ada@example.com"
    assert first.detail == "subscription First, tenant contoso.com, Azure US Government"
    assert second.detail == "subscription Second, tenant contoso.com"
    assert first.settings["cloud"] == "AzureUSGovernment"
    assert second.settings == {
        "cloud": "AzureCloud",
        "sign_in": "cli",
        "tenant_id": TENANT,
        "subscription_id": TWO,
    }


def test_the_azure_cli_may_keep_its_files_elsewhere_and_know_no_domain(tmp_path: Path) -> None:
    cli(tmp_path / "az", subscription(ONE, "One\x1b[2J\n two", tenantDefaultDomain=None, user=None))
    (way,) = prepared(tmp_path, AZURE_CONFIG_DIR=str(tmp_path / "az"))
    assert (way.title, way.detail) == ("Azure CLI: signed in", f"subscription One [2J two, tenant {TENANT}")


def test_a_client_secret_in_the_variables_is_a_way_and_is_hidden(tmp_path: Path) -> None:
    environment = {
        "ARM_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "ARM_CLIENT_SECRET": "found-in-the-shell",
        "ARM_ENVIRONMENT": "usgovernment",
    }
    (way,) = prepared(tmp_path, **environment)
    assert way.settings == {"cloud": "AzureUSGovernment", "sign_in": "environment"}
    assert CLIENT in way.title
    assert all(name in way.detail for name in ("ARM_TENANT_ID", "AZURE_CLIENT_ID", "ARM_CLIENT_SECRET"))
    assert "found-in-the-shell" not in str(way)
    assert redact("found-in-the-shell") == "[REDACTED]"
    for missing in ("ARM_TENANT_ID", "AZURE_CLIENT_ID", "ARM_CLIENT_SECRET"):
        assert prepared(tmp_path, **{**environment, missing: ""}) == []


@pytest.mark.parametrize(
    "token",
    [
        {"AZURE_FEDERATED_TOKEN_FILE": "/var/run/token"},
        {"ARM_OIDC_TOKEN": "a-token-of-the-ci-host"},
        {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ci.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer-of-the-ci"},
    ],
    ids=str,
)
def test_a_token_of_a_ci_host_is_a_way(tmp_path: Path, token: dict[str, str]) -> None:
    (way,) = prepared(tmp_path, ARM_TENANT_ID=TENANT, ARM_CLIENT_ID=CLIENT, **token)
    assert way.settings == {"cloud": "AzureCloud", "sign_in": "federated"}
    assert all(name in way.detail for name in token)
    assert "a-token" not in str(way)
    assert "bearer" not in str(way)
    if "ACTIONS_ID_TOKEN_REQUEST_URL" in token:
        assert prepared(tmp_path, ARM_TENANT_ID=TENANT, ARM_CLIENT_ID=CLIENT, ACTIONS_ID_TOKEN_REQUEST_URL="x") == []


def test_profiles_of_databricks_on_azure_name_workspaces_and_their_tokens_stay_hidden(tmp_path: Path) -> None:
    (tmp_path / ".databrickscfg").write_text(
        "[DEFAULT]\nhost = https://adb-1.2.azuredatabricks.net/?o=1\ntoken = token-of-the-default%\n"
        "[gov]\nhost = adb-3.4.databricks.azure.us\n"
        "[aws]\nhost = https://dbc-1.cloud.databricks.com\ntoken = token-of-another-cloud\n"
        "[account]\nhost = https://accounts.azuredatabricks.net\naccount_id = 1\n"
        "[empty]\n"
    )
    default, gov = prepared(tmp_path)
    assert default.title == "Databricks workspace of the profile DEFAULT"
    assert default.settings == {"cloud": "AzureCloud", "databricks_host": "https://adb-1.2.azuredatabricks.net"}
    assert "~/.databrickscfg" in default.detail
    assert "set DATABRICKS_TOKEN" in default.detail
    assert gov.settings == {"cloud": "AzureUSGovernment", "databricks_host": "https://adb-3.4.databricks.azure.us"}
    assert "token" not in gov.detail, "it has none, and does not inherit one"
    assert redact("token-of-the-default% token-of-another-cloud") == "[REDACTED] [REDACTED]"


def test_another_file_of_databricks_profiles_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "mine.cfg").write_text("[one]\nhost = https://adb-1.2.azuredatabricks.net\n")
    for name in ("~/mine.cfg", str(tmp_path / "mine.cfg")):
        assert len(prepared(tmp_path, DATABRICKS_CONFIG_FILE=name)) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"subscriptions": 5}', "{}", "\xff", "[" * 100_000], ids=range(6))
def test_a_spoilt_file_of_the_azure_cli_is_told_and_stops_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ".azure").mkdir()
    (tmp_path / ".azure" / "azureProfile.json").write_bytes(text.encode("latin-1"))
    (tmp_path / ".databrickscfg").write_text("[one]\nhost = https://adb-1.2.azuredatabricks.net\n")
    assert len(prepared(tmp_path)) == 1
    (browser,) = [way for way in find({}, tmp_path) if way.settings.get("sign_in") == "browser"]
    assert "~/.azure/azureProfile.json cannot be read: it is not" in browser.detail


def test_a_spoilt_file_of_profiles_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / ".databrickscfg").write_text("token = a-secret-without-a-section\n")
    (browser,) = [way for way in find({}, tmp_path) if way.settings.get("sign_in") == "browser"]
    assert "~/.databrickscfg cannot be read: it is not what the Databricks CLI writes" in browser.detail
    assert "a-secret" not in str(find({}, tmp_path))


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".databrickscfg")
    assert prepared(tmp_path) == []
