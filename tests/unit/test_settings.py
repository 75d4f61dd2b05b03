"""Settings: which value counts, where it came from, and what is wrong with the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlops_tui.settings import BY_NAME, SETTINGS, FileValue, config_rows, resolve, settings_table

HOME_TENANT = "11111111-1111-4111-8111-111111111111"
PRACTICE = {
    "tenant_id": "5a4d0b0c-0000-4000-8000-00000000da7a",
    "client_id": "22222222-2222-4222-8222-222222222222",
    "client_secret": "practice-secret",
    "subscription_id": "5a4d0b0c-0000-4000-8000-0000000005b5",
    "origin": "https://localhost:8443",
}
# What a shell that works with a real subscription carries about.
REAL_SHELL = {
    "ARM_TENANT_ID": HOME_TENANT,
    "ARM_CLIENT_ID": "33333333-3333-4333-8333-333333333333",
    "ARM_CLIENT_SECRET": "real-secret",
    "ARM_SUBSCRIPTION_ID": "44444444-4444-4444-8444-444444444444",
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/token",
    "DATABRICKS_HOST": "https://adb-1.1.azuredatabricks.net",
    "DATABRICKS_TOKEN": "dapi-real",
}


def in_file(value: object, line: int = 7) -> FileValue:
    return FileValue(value, "mlops.toml", line)


def reasons(
    file: dict[str, object] | None = None, env: dict[str, str] | None = None, flags: dict[str, object] | None = None
) -> list[str]:
    values = {key: in_file(value) for key, value in (file or {}).items()}
    return [str(problem) for problem in resolve(values, env or {}, flags or {}).problems]


def test_the_stronger_source_counts_and_is_named() -> None:
    file = {"azure.location": in_file("northeurope")}
    environment = {"AZURE_LOCATION": "uksouth", "MLOPS_TUI_LOCATION": "ukwest"}
    flags = {"location": "francecentral"}

    def location(*given: object) -> tuple[object, str]:
        entry = resolve(*given).entries["location"]  # type: ignore[arg-type]  # (parts of one call)
        return entry.value, entry.source

    assert location({}, {}, {}) == ("westeurope", "default")
    assert location(file, {}, {}) == ("northeurope", "mlops.toml line 7")
    assert location(file, {"AZURE_LOCATION": "uksouth"}, {}) == ("uksouth", "AZURE_LOCATION")
    assert location(file, environment, {}) == ("ukwest", "MLOPS_TUI_LOCATION")
    assert location(file, environment, flags) == ("francecentral", "--location")
    assert location(file, environment, {"location": None}) == ("ukwest", "MLOPS_TUI_LOCATION")


def test_our_own_variable_comes_first_then_terraforms_then_azures() -> None:
    ours, *others = BY_NAME["client_id"].variables
    assert ours == "MLOPS_TUI_CLIENT_ID"
    assert others == ["ARM_CLIENT_ID", "AZURE_CLIENT_ID", "AZURESUBSCRIPTION_CLIENT_ID"]  # the last: Azure Pipelines
    assert BY_NAME["cluster_node_type"].variables == ("MLOPS_TUI_CLUSTER_NODE_TYPE",)
    assert BY_NAME["databricks_token"].variables == ("MLOPS_TUI_DATABRICKS_TOKEN", "DATABRICKS_TOKEN")


@pytest.mark.parametrize("nothing", ["", "  ", "$(databricks.token)"])
def test_a_variable_that_ci_left_empty_or_unresolved_is_not_given(nothing: str) -> None:
    entry = resolve({}, {"MLOPS_TUI_DATABRICKS_TOKEN": nothing, "DATABRICKS_TOKEN": "dapi1"}, {}).entries
    assert (entry["databricks_token"].value, entry["databricks_token"].source) == ("dapi1", "DATABRICKS_TOKEN")


def test_secrets_have_no_flag_and_no_place_in_the_file() -> None:
    secrets = [setting for setting in SETTINGS if setting.secret]
    assert [setting.name for setting in secrets] == [
        *("client_secret", "databricks_token", "azure_devops_token", "github_token"),
    ]
    assert not any(setting.flag for setting in secrets)
    resolved = resolve({"azure.client_secret": in_file("hunter2hunter2")}, {}, {})
    assert resolved.entries["client_secret"].value == ""
    (problem,) = map(str, resolved.problems)
    assert problem.startswith("mlops.toml:7: azure.client_secret: a secret does not belong in a file")
    assert "ARM_CLIENT_SECRET" in problem
    assert "hunter2" not in problem


def test_an_unusable_secret_is_not_repeated_in_its_problem() -> None:
    (problem,) = reasons(env={"ARM_CLIENT_SECRET": "two\nlines"})
    assert problem == "ARM_CLIENT_SECRET: azure.client_secret: its value must be one line without spaces at its ends"


def test_every_name_key_flag_and_variable_is_given_out_once() -> None:
    for taken in (
        [setting.name for setting in SETTINGS],
        [setting.key for setting in SETTINGS],
        [setting.flag for setting in SETTINGS if setting.flag],
        [setting.attribute for setting in SETTINGS],
        [variable for setting in SETTINGS for variable in setting.variables],
    ):
        assert len(set(taken)) == len(taken)
    assert all(setting.name.isidentifier() and setting.help for setting in SETTINGS)


def test_all_defaults_obey_their_own_rules() -> None:
    as_typed = {setting.key: in_file(setting.default) for setting in SETTINGS if setting.default != ""}
    as_text = {setting.name: str(setting.default) for setting in SETTINGS if setting.default != ""}
    from_file, from_flags, by_default = resolve(as_typed, {}, {}), resolve({}, {}, as_text), resolve({}, {}, {})
    assert not from_file.problems + from_flags.problems
    assert from_file.values == from_flags.values == by_default.values


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("azure.resource_group", "x" * 91, "must be 1 to 90 characters"),
        ("azure.resource_group", "my group", "'my group' must be 1 to 90 characters: letters, digits, _ - . ( )"),
        ("azure.resource_group", "mlops.", "'mlops.' must not end in a period"),
        ("azure.resource_group", "", "must be 1 to 90 characters"),
        ("databricks.workspace", "ab", "must be 3 to 64 characters"),
        ("databricks.workspace", "a.b.c", "must be 3 to 64 characters"),
        ("ml.workspace", "x" * 34, "must be 3 to 33 characters"),
        ("ml.workspace", "-abc", "must be 3 to 33 characters"),
        ("azure.location", "1", "must be the name of a region"),
        ("azure.tenant_id", "contoso", "must be an id like 0000"),
        ("azure.subscription_id", "4444", "must be an id like 0000"),
        ("databricks.secret_scope", "a b", "letters, digits, _ - . @"),
        ("databricks.host", "http://adb-1.1.azuredatabricks.net", "must be a URL like https://adb-"),
        ("databricks.host", "https://adb-1.1.azuredatabricks.net/path", "must be a URL like https://adb-"),
        ("databricks.host", "https://me@adb-1.1.azuredatabricks.net", "must be a URL like https://adb-"),
        ("databricks.notebook_folder", "Shared/MLFlow", "must be a folder that starts with /"),
        ("databricks.notebook_folder", "/", "must be a folder that starts with /"),
        ("databricks.key_vault", "myvault", "must be a resource id"),
        ("databricks.cluster.name", " ", "must not be empty"),
        ("databricks.cluster.min_workers", 0, "must be between 1 and 100000"),
        ("databricks.cluster.autotermination_minutes", 5, "must be between 10 and 10000, or 0 for never"),
        ("databricks.job_prefix", "a\nb", "must be one line"),
        ("databricks.sku", "gold", "'gold' must be one of: standard, premium, trial"),
        ("service_principal.secret_days", 731, "must be between 1 and 730"),
        ("service_principal.secret_days", "90", "must be a whole number without quotes"),
        ("service_principal.secret_days", 90.5, "must be a whole number, not a decimal number"),
        ("service_principal.secret_days", True, "must be a whole number, not true or false"),
        ("training.parallel", 101, "must be between 1 and 100"),
        ("training.timeout_seconds", 0, "must be 1 or more"),
        ("training.log_folder", "/tmp/logs", "must be a folder that starts with /Volumes/ or dbfs:/"),
        ("training.gate.threshold", float("nan"), "must be a number, not nan"),
        ("training.gate.comparison", "==", "must be one of: <, <=, >, >="),
        ("azure.sign_in", 3, "must be text in quotes, not a number"),
        ("cloud", ["sandbox"], "must be text in quotes, not a list"),
    ],
)
def test_a_value_against_the_rules_is_refused_with_its_place_and_the_reason(key: str, value: object, said: str) -> None:
    (problem,) = reasons({key: value})
    assert problem.startswith(f"mlops.toml:7: {key}: ")
    assert said in problem


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("location", "West Europe", "westeurope"),
        ("resource_group", "Müller_(2).x", "Müller_(2).x"),
        ("tenant_id", HOME_TENANT.upper(), HOME_TENANT),
        ("databricks_host", "https://ADB-1.1.azuredatabricks.net/?o=1#job/2", "https://adb-1.1.azuredatabricks.net"),
        ("databricks_host", "adb-1.1.azuredatabricks.net", "https://adb-1.1.azuredatabricks.net"),
        ("databricks_host", "https://localhost:8443/", "https://localhost:8443"),
        ("notebook_folder", "/Shared/Mine/", "/Shared/Mine"),
        ("log_folder", "/Volumes/main/default/logs", "/Volumes/main/default/logs"),
        ("cloud", "azure", "AzureCloud"),
        ("databricks_sku", "Premium", "premium"),
        ("parallel", " 5 ", 5),
        ("gate_threshold", "-1", -1.0),
    ],
)
def test_what_people_paste_is_understood(name: str, given: str, meant: object) -> None:
    resolved = resolve({}, {}, {name: given})
    assert not resolved.problems
    assert resolved.values[name] == meant
    assert type(resolved.values[name]) is type(meant)


def test_all_problems_come_at_once_each_with_where_it_stands() -> None:
    assert reasons({"training.parallel": 0}, {"ARM_TENANT_ID": "nope"}, {"secret_days": "soon"}) == [
        "ARM_TENANT_ID: azure.tenant_id: 'nope' must be an id like 00000000-0000-0000-0000-000000000000",
        "--secret-days: service_principal.secret_days: 'soon' must be a whole number",
        "mlops.toml:7: training.parallel: must be between 1 and 100",
    ]


def test_a_bad_file_stays_bad_where_a_flag_overrides_it_but_a_flag_saves_from_a_bad_variable() -> None:
    assert len(reasons({"training.parallel": 0}, flags={"parallel": "4"})) == 1
    assert reasons(env={"MLOPS_TUI_PARALLEL": "0"}, flags={"parallel": "4"}) == []


def test_the_sandbox_gives_an_identity_where_nobody_else_does() -> None:
    resolved = resolve({}, {}, {}, PRACTICE)
    for name in ("tenant_id", "client_id", "client_secret", "subscription_id"):
        assert (resolved.entries[name].value, resolved.entries[name].source) == (PRACTICE[name], "sandbox")
    assert resolved.entries["location"].source == "default"


def test_a_file_for_a_real_subscription_can_be_practised_with_as_it_stands() -> None:
    vault = (
        "/subscriptions/44444444-4444-4444-8444-444444444444/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv1"
    )
    file = {
        "azure.tenant_id": in_file(HOME_TENANT, 3),
        "azure.location": in_file("uksouth", 4),
        "databricks.host": in_file("https://adb-1.1.azuredatabricks.net", 5),
        "databricks.key_vault": in_file(vault, 6),
        "azure.sign_in": in_file("cli", 7),
        "azure.federated_token_file": in_file("/run/token", 8),
    }
    resolved = resolve(file, {}, {}, PRACTICE)
    assert not resolved.problems
    assert resolved.values["tenant_id"] == PRACTICE["tenant_id"]
    assert resolved.values["location"] == "uksouth"
    for name in ("databricks_host", "key_vault", "sign_in", "federated_token_file"):
        assert resolved.values[name] == BY_NAME[name].default
        assert resolved.entries[name].source.endswith(" ignored: belongs to another tenant)")
    assert resolved.entries["databricks_host"].source.startswith("default (mlops.toml line 5 ")
    assert resolve(file, {}, {}).values["sign_in"] == "cli"
    assert resolve(file, {}, {"sign_in": "cli"}, PRACTICE).values["sign_in"] == "cli"


def test_what_a_file_says_of_the_sandbox_itself_counts() -> None:
    vault = f"/subscriptions/{PRACTICE['subscription_id']}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv1"
    file = {
        "databricks.host": in_file("https://localhost:8443", 1),
        "databricks.key_vault": in_file(vault, 2),
        "azure.sign_in": in_file("environment", 3),
    }
    resolved = resolve(file, {}, {}, PRACTICE)
    assert not resolved.problems
    assert resolved.values["databricks_host"] == "https://localhost:8443"
    assert resolved.values["key_vault"] == vault
    assert (resolved.values["sign_in"], resolved.entries["sign_in"].source) == ("environment", "mlops.toml line 3")


def test_the_shells_real_identity_does_not_leak_into_the_sandbox() -> None:
    resolved = resolve({}, REAL_SHELL, {}, PRACTICE)
    assert not resolved.problems
    for name in ("tenant_id", "client_id", "client_secret", "subscription_id"):
        assert resolved.values[name] == PRACTICE[name]
        assert resolved.entries[name].source == f"sandbox (ARM_{name.upper()} ignored: belongs to another tenant)"
    for name in ("federated_token_file", "databricks_host", "databricks_token"):
        assert resolved.values[name] == ""
        assert resolved.entries[name].source.startswith("default (")
    assert not set(REAL_SHELL.values()) & {str(value) for value in resolved.values.values()}


def test_the_same_shell_counts_in_full_in_the_real_cloud() -> None:
    resolved = resolve({}, REAL_SHELL, {})
    assert resolved.values["client_secret"] == "real-secret"
    assert resolved.values["databricks_host"] == REAL_SHELL["DATABRICKS_HOST"]


def test_a_foreign_tenant_of_one_tool_makes_the_other_tools_variables_foreign_too() -> None:
    environment = {"AZURE_TENANT_ID": HOME_TENANT, "ARM_CLIENT_SECRET": "real", "AZURE_CLIENT_SECRET": "real"}
    assert resolve({}, environment, {}, PRACTICE).values["client_secret"] == PRACTICE["client_secret"]
    environment["ARM_TENANT_ID"] = PRACTICE["tenant_id"]
    entry = resolve({}, environment, {}, PRACTICE).entries["client_secret"]
    assert (entry.value, entry.source) == ("real", "ARM_CLIENT_SECRET")


def test_a_secret_without_a_tenant_is_meant_for_the_sandbox() -> None:
    entry = resolve({}, {"ARM_CLIENT_SECRET": "wrong"}, {}, PRACTICE).entries["client_secret"]
    assert (entry.value, entry.source) == ("wrong", "ARM_CLIENT_SECRET")


def test_what_names_the_sandboxs_own_tenant_and_host_counts() -> None:
    environment = {
        "ARM_TENANT_ID": PRACTICE["tenant_id"].upper(),
        "ARM_CLIENT_SECRET": "mine",
        "DATABRICKS_HOST": "https://localhost:8443/",
        "DATABRICKS_TOKEN": "dapi1",
    }
    values = resolve({}, environment, {}, PRACTICE).values
    assert (values["client_secret"], values["databricks_token"]) == ("mine", "dapi1")
    assert values["databricks_host"] == "https://localhost:8443"


def test_a_real_workspace_is_never_reached_from_the_sandbox_by_a_variable_left_lying_about() -> None:
    environment = {"DATABRICKS_HOST": "https://adb-1.1.azuredatabricks.net", "DATABRICKS_TOKEN": "dapi1"}
    without_origin = {name: value for name, value in PRACTICE.items() if name != "origin"}
    for practice in (PRACTICE, without_origin):
        values = resolve({}, environment, {}, practice).values
        assert (values["databricks_host"], values["databricks_token"]) == ("", "")
    here = {"DATABRICKS_HOST": "https://localhost:9999"}
    assert resolve({}, here, {}, PRACTICE).values["databricks_host"] == ""
    assert resolve({}, here, {}, without_origin).values["databricks_host"] == "https://localhost:9999"


def test_our_own_variables_are_set_on_purpose_and_count_in_the_sandbox() -> None:
    resolved = resolve({}, {"MLOPS_TUI_TENANT_ID": HOME_TENANT, **REAL_SHELL}, {}, PRACTICE)
    assert resolved.values["tenant_id"] == HOME_TENANT
    assert resolved.values["client_secret"] == PRACTICE["client_secret"]


def test_the_configuration_shows_every_setting_and_hides_secrets() -> None:
    rows = config_rows(resolve({}, {"ARM_CLIENT_SECRET": "real-secret"}, {"parallel": "5"}))
    assert len(rows) == len(SETTINGS)
    assert ("azure.client_secret", "(hidden)", "ARM_CLIENT_SECRET") in rows
    assert ("databricks.token", "", "default") in rows
    assert ("training.parallel", "5", "--parallel") in rows
    assert ("training.gate.threshold", "0.8", "default") in rows
    assert "real-secret" not in str(rows)


def test_the_readmes_table_has_a_line_for_each_setting() -> None:
    head, rule, *lines = settings_table().splitlines()
    assert len(lines) == len(SETTINGS)
    assert {line.count(" | ") for line in (head, rule, *lines)} == {4}
    assert "| `azure.resource_group` | `--resource-group` |" in settings_table()
    assert "azure.client_secret" not in settings_table()


def test_a_setting_tells_its_type() -> None:
    kinds = {name: BY_NAME[name].type for name in ("location", "parallel", "gate_threshold", "databricks_sku")}
    assert kinds == {"location": "str", "parallel": "int", "gate_threshold": "float", "databricks_sku": "choice"}


def test_the_settings_load_nothing_heavy() -> None:
    script = "import sys, mlops_tui.settings; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    modules = set(loaded.stdout.split())
    assert not modules & {"tomllib", "rich", "click", "textual", "azure", "databricks", "httpx"}
    ours = {name for name in modules if name.startswith("mlops_tui")}
    assert all(name == "mlops_tui" or name.startswith("mlops_tui.settings") for name in ours)


@pytest.mark.parametrize(("tenant", "counts"), [(PRACTICE["tenant_id"], True), (HOME_TENANT, False)])
def test_a_service_connection_counts_in_the_practice_cloud_only_if_it_leads_there(tenant: str, counts: bool) -> None:
    job = {"AZURESUBSCRIPTION_TENANT_ID": tenant, "AZURESUBSCRIPTION_CLIENT_ID": HOME_TENANT}
    entry = resolve({}, job, {}, {"tenant_id": PRACTICE["tenant_id"]}).entries["client_id"]
    assert (entry.value == HOME_TENANT) is counts
