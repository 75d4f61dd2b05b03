"""Azure's errors as people get to read them: what happened, what to do now, the service's own words last."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError
from azure.mgmt.core.exceptions import ARMErrorFormat
from requests.exceptions import SSLError

from mlops_tui import redaction
from mlops_tui.clouds.translate import assignable_scope, role_for, speaking_of
from mlops_tui.errors import (
    CloudError,
    ConflictError,
    ForbiddenError,
    MlopsError,
    NotFoundError,
    SignInError,
    ThrottledError,
    UnreachableError,
    UsageError,
)

GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/mlops"
TRACE = " Trace ID: 1d0b Correlation ID: 2e1c Timestamp: 2026-01-01 00:00:00Z"


class Answer:
    """As much of an HTTP response as azure-core's errors read."""

    def __init__(self, status: int, body: Any) -> None:
        self.status_code = status
        self.reason = "said no"
        self.headers: dict[str, str] = {}
        self._text = body if isinstance(body, str) else json.dumps(body)

    def text(self) -> str:
        return self._text


def answered(status: int, code: str, message: str, **more: Any) -> HttpResponseError:
    body = {"error": {"code": code, "message": message, **more}}
    return HttpResponseError(response=Answer(status, body), error_format=ARMErrorFormat)  # type: ignore[arg-type]


def told(error: Exception, what: str = "the resource group mlops") -> MlopsError:
    """What `speaking_of` makes of it."""

    def fail() -> NoReturn:
        with speaking_of(what):
            raise error
        raise AssertionError("it was swallowed")

    with pytest.raises(MlopsError) as caught:
        fail()
    return caught.value


@pytest.mark.parametrize(
    ("number", "said", "advice"),
    [
        ("7000215", "client secret is wrong", "az ad app credential reset"),
        ("7000222", "client secret has expired", "az ad app credential reset"),
        ("700016", "No application has this client id", "ARM_CLIENT_ID"),
        ("90002", "no such tenant", "ARM_TENANT_ID"),
        ("700213", "this token's subject", "federated-credential list"),
        ("50076", "Multi-factor", "az login"),
        ("50079", "Multi-factor", "az login"),
        ("53003", "Conditional Access", "administrator"),
    ],
)
def test_each_refused_sign_in_has_advice_of_its_own(number: str, said: str, advice: str) -> None:
    text = f"Authentication failed: AADSTS{number}: Words of Entra.{TRACE}"
    error = told(ClientAuthenticationError(message=text))
    assert isinstance(error, SignInError)
    assert error.exit_code == 3
    assert error.code == f"AADSTS{number}"
    assert said in error.message
    assert advice in error.hint
    assert "Words of Entra" in error.raw


def test_an_unknown_refusal_still_says_its_number() -> None:
    error = told(ClientAuthenticationError(message=f"AADSTS999999: Something new.{TRACE}"))
    assert "AADSTS999999" in error.message
    assert error.hint


def test_no_sign_in_at_all_lists_the_ways() -> None:
    error = told(CredentialUnavailableError(message="Azure CLI not found on path"))
    assert isinstance(error, SignInError)
    for way in ("az login", "ARM_CLIENT_SECRET", "device-code", "AZURE_FEDERATED_TOKEN_FILE"):
        assert way in error.hint


def test_a_missing_role_is_named_with_the_command_that_gives_it() -> None:
    message = (
        "The client 'ci' with object id '0b1ec7' does not have authorization to perform action "
        f"'Microsoft.Databricks/workspaces/write' over scope '{GROUP}/providers/Microsoft.Databricks/workspaces/w' or "
        "the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    error = told(answered(403, "AuthorizationFailed", message))
    assert isinstance(error, ForbiddenError)
    assert error.hint == (
        "Ask an owner for the role Contributor: az role assignment create --assignee-object-id "
        f'"0b1ec7" --role "Contributor" --scope "{GROUP}"'
    )
    assert error.code == "AuthorizationFailed"
    assert error.raw == message


def test_a_group_that_is_still_to_be_made_takes_a_role_on_the_subscription() -> None:
    action = "Microsoft.Resources/subscriptions/resourceGroups/write"
    message = f"The client 'x' with object id 'y' … perform action '{action}' over scope '{GROUP}' or …"
    assert (
        '--scope "/subscriptions/11111111-2222-4333-8444-555555555555"'
        in told(answered(403, "AuthorizationFailed", message)).hint
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "ResourceGroupNotFound", NotFoundError),
        (400, "PrincipalNotFound", NotFoundError),
        (409, "RoleAssignmentExists", ConflictError),
        (412, "PreconditionFailed", ConflictError),
        (429, "TooManyRequests", ThrottledError),
        (401, "InvalidAuthenticationToken", SignInError),
        (403, "Authorization_RequestDenied", ForbiddenError),
        (503, "ServiceUnavailable", UnreachableError),
        (400, "InvalidRequestContent", CloudError),
    ],
)
def test_answers_become_errors_of_their_kind(status: int, code: str, kind: type[MlopsError]) -> None:
    error = told(answered(status, code, "Words of Azure."))
    assert type(error) is kind
    assert error.code == code
    assert "esource group mlops" in error.message
    assert "Words of Azure." in error.message


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("OutOfQuota", "quota"),
        ("SkuNotAvailable", "az vm list-skus"),
        ("MissingSubscriptionRegistration", "az provider register"),
        ("InvalidResourceGroupLocation", "cannot move"),
        ("LocationNotAvailableForResourceGroup", "list-locations"),
        ("RequestDisallowedByPolicy", "policy"),
    ],
)
def test_long_operations_that_fail_inside_a_200_are_told_with_advice(code: str, advice: str) -> None:
    details = [{"code": "Inner", "message": "the cause below"}]
    error = told(answered(200, code, "It failed.", details=details))
    assert isinstance(error, CloudError)
    assert error.code == code
    assert advice in error.hint
    assert error.link
    assert "Inner: the cause below" in error.raw


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ServiceRequestError("[Errno 111] Connection refused"), "nobody listens there"),
        (ServiceRequestError("Failed to resolve 'x' ([Errno -2] Name or service not known)"), "cannot be resolved"),
        (ServiceRequestError("SSL: CERTIFICATE_VERIFY_FAILED"), "certificate is not trusted"),
        (ServiceResponseError("('Connection aborted.', RemoteDisconnected())"), "broke before the answer"),
        (ServiceResponseError("Read timed out."), "did not answer in time"),
        (SSLError("certificate verify failed"), "certificate is not trusted"),
    ],
)
def test_a_silent_cloud_is_told_with_the_reason(error: Exception, reason: str) -> None:
    ours = told(error)
    assert isinstance(ours, UnreachableError)
    assert reason in ours.message
    assert ours.hint


def test_a_line_lost_during_the_sign_in_is_not_a_wrong_password() -> None:
    def wrapped() -> Exception:
        error = ClientAuthenticationError(message="Authentication failed: Connection refused")
        error.__cause__ = ServiceRequestError("Connection refused")
        return error

    assert isinstance(told(wrapped()), UnreachableError)


def test_our_own_errors_pass_even_when_an_sdk_has_wrapped_them() -> None:
    ours = UsageError("no such file")
    assert told(ours) is ours
    wrapping = ClientAuthenticationError(message="Authentication failed: no such file")
    wrapping.__cause__ = ours
    assert told(wrapping) is ours


def test_no_secret_gets_into_an_error() -> None:
    redaction.register("hunter2-hunter2")
    error = told(answered(400, "BadRequest", "The password hunter2-hunter2 is not good."))
    assert "hunter2" not in f"{error.message}{error.raw}{error.hint}"


def test_a_body_that_is_no_json_is_told_as_it_is() -> None:
    answer = Answer(502, "<html>Bad Gateway</html>")
    error = told(HttpResponseError(response=answer))  # type: ignore[arg-type]  # as much as it reads
    assert isinstance(error, UnreachableError)


@pytest.mark.parametrize(
    ("action", "role"),
    [
        ("Microsoft.Authorization/roleAssignments/write", "Role Based Access Control Administrator"),
        ("Microsoft.Databricks/workspaces/write", "Contributor"),
        ("Microsoft.Resources/subscriptions/read", "Reader"),
    ],
)
def test_the_smallest_role_is_asked_for(action: str, role: str) -> None:
    assert role_for(action) == role


def test_roles_are_given_on_groups_and_subscriptions() -> None:
    assert assignable_scope(f"{GROUP}/providers/Microsoft.Databricks/workspaces/w") == GROUP
    assert assignable_scope("/subscriptions/1/providers/Microsoft.Databricks") == "/subscriptions/1"
    assert assignable_scope("/") == "/"


def test_a_sign_in_page_in_place_of_an_answer_is_told() -> None:
    with pytest.raises(CloudError, match="not Azure's") as caught, speaking_of("the application mlops"):
        json.loads("<html>Welcome to the hotel</html>")
    assert "proxy" in caught.value.hint
    assert "hotel" in caught.value.raw
