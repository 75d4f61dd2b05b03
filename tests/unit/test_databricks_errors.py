"""Whatever a workspace or the way to it says no with, a person reads what happened and what to do now."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from databricks.sdk.errors import base, platform

from mlops_tui import errors, redaction
from mlops_tui.clouds.databricks_errors import AnswerLostError, made_once, speaking_of


def read(error: Exception) -> errors.MlopsError:
    with pytest.raises(errors.MlopsError) as caught, speaking_of("the secret scope azureml"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("raised", "kind", "hint"),
    [
        (
            platform.PermissionDenied("User x does not have MANAGE.", error_code="PERMISSION_DENIED"),
            errors.ForbiddenError,
            "admin",
        ),
        (
            platform.PermissionDenied("Invalid access token.", error_code="PERMISSION_DENIED"),
            errors.SignInError,
            "Access tokens",
        ),
        (platform.Unauthenticated("Credential was not sent.", error_code="401"), errors.SignInError, "az login"),
        (
            platform.PermissionDenied("Source IP address: 1.2.3.4 is blocked by Databricks IP ACL", error_code="403"),
            errors.ForbiddenError,
            "VPN",
        ),
        (
            platform.InvalidState("Cluster c is in unexpected state Pending.", error_code="INVALID_STATE"),
            errors.ConflictError,
            "wait until",
        ),
        (
            platform.BadRequest("The quota of 1000 scopes is used up.", error_code="QUOTA_EXCEEDED"),
            errors.CloudError,
            "quotas",
        ),
        (
            platform.ResourceDoesNotExist("Scope s does not exist!", error_code="RESOURCE_DOES_NOT_EXIST"),
            errors.NotFoundError,
            "removed meanwhile",
        ),
        (
            platform.InvalidParameterValue("Job 7 does not exist.", error_code="INVALID_PARAMETER_VALUE"),
            errors.NotFoundError,
            "removed meanwhile",
        ),
        (
            platform.InvalidParameterValue("Missing required field: name", error_code="INVALID_PARAMETER_VALUE"),
            errors.CloudError,
            "setting",
        ),
        (platform.TooManyRequests("slow down", error_code="NEW_ONE"), errors.ThrottledError, "patience"),
        (base.DatabricksError("", error_code="NEVER_HEARD_OF"), errors.CloudError, ""),
    ],
)
def test_each_refusal_has_its_kind_and_a_way_out(
    raised: base.DatabricksError, kind: type[errors.MlopsError], hint: str
) -> None:
    error = read(raised)
    assert type(error) is kind
    assert error.message.startswith("The secret scope azureml: ")
    assert error.code == raised.error_code
    assert hint in error.hint
    assert "\n" not in error.message


def test_the_sdks_own_configuration_is_not_shown() -> None:
    error = read(platform.PermissionDenied("Denied. Config: host=https://h, token=***. Env: DATABRICKS_TOKEN"))
    assert error.raw == "Denied."


def test_a_secret_in_the_services_text_is_masked() -> None:
    redaction.register("pass-the-word")
    error = read(platform.BadRequest("pass-the-word is no good"))
    assert "pass-the-word" not in error.message + error.raw


def timed_out(cause: Exception) -> TimeoutError:
    error = TimeoutError("Timed out after 0:01:30")
    error.__cause__ = cause
    return error


def test_the_end_of_the_sdks_patience_tells_what_it_was_waiting_for() -> None:
    busy = platform.TooManyRequests("busy", error_code="REQUEST_LIMIT_EXCEEDED")
    assert type(read(timed_out(busy))) is errors.ThrottledError
    silent = read(timed_out(requests.ConnectionError("connection refused")))
    assert type(silent) is errors.UnreachableError
    assert silent.raw == "connection refused"


def test_an_answer_that_is_no_workspaces_points_at_the_host() -> None:
    error = read(requests.exceptions.JSONDecodeError("Expecting value", "<html>", 0))
    assert "not as a Databricks workspace" in error.message
    assert "host" in error.hint


def test_our_own_errors_and_our_own_mistakes_pass() -> None:
    ours = errors.UsageError("ours")
    assert read(ours) is ours
    with pytest.raises(KeyError), speaking_of("anything"):
        raise KeyError("a defect")


def test_what_was_made_though_its_answer_was_lost_is_not_made_twice() -> None:
    asked: list[str] = []

    def losing(times: int) -> Callable[[], str]:
        def ask() -> str:
            asked.append("asked")
            if len(asked) <= times:
                raise AnswerLostError("broken off")
            return "asked for"

        return ask

    assert made_once(losing(1), lambda: "found") == "found"
    assert len(asked) == 1
    asked.clear()
    assert made_once(losing(1), lambda: None) == "asked for"
    asked.clear()
    with pytest.raises(AnswerLostError):
        made_once(losing(2), lambda: None)


def test_an_answer_broken_off_in_its_middle_counts_as_lost() -> None:
    assert type(read(requests.exceptions.ChunkedEncodingError("IncompleteRead"))) is AnswerLostError
