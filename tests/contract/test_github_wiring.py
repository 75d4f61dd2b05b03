"""The pipeline on GitHub is wired, again and again, in both ways of signing in, and for everybody who may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import jwt
import pytest

from mlops_tui.clouds.databricks_tokens import AccessToken
from mlops_tui.clouds.github_settings import seal
from mlops_tui.clouds.identity import Identity
from mlops_tui.errors import (
    ConflictError,
    ForbiddenError,
    MlopsError,
    NotFoundError,
    SignInError,
    ThrottledError,
    UsageError,
)
from mlops_tui.setup import github_trust
from mlops_tui.setup.github_wiring import GitHubWiring
from tests.conftest import LiveSandbox
from tests.contract.github_stories import ADA, LEARNER, STRANGER, Desk, at_a_desk

pytestmark = [pytest.mark.xdist_group("github"), pytest.mark.timeout(120)]


@pytest.fixture
def desk(live: LiveSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    yield from at_a_desk(live, tmp_path, monkeypatch)


def test_a_pipeline_is_wired_without_any_secret_and_a_second_time_nothing_is_written(desk: Desk) -> None:
    name = desk.project.name
    assert all(change.after and change.action == "create" for change in desk.plan().findings["pipeline"].changes)
    assert desk.set_up().error is None
    github = desk.github()
    assert set(github.settings.variables()) == {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"}
    production = github.settings.environment(f"{name}-production")
    assert production is not None
    assert list(production.reviewers) == ["learner"]
    staging = github.settings.environment(f"{name}-staging")
    assert staging is not None
    assert not staging.reviewers
    with desk.session() as session:
        directory = session.clients.directory
        application = directory.find_application(name)
        assert application is not None
        trusted = {one.subject: one.issuer for one in directory.list_federated_credentials(application.object_id)}
        assert set(trusted.values()) == {desk.cloud.github_token_issuer}
        prefix = github.settings.subject_prefix()
        assert prefix.startswith("repo:practice@"), "with the ids that GitHub puts there since 15 July 2026"
        contexts = (f"environment:{name}-staging", f"environment:{name}-production", "ref:refs/heads/main")
        assert set(trusted) == {f"{prefix}:{context}" for context in contexts}
    written = desk.writes()
    assert desk.set_up().error is None
    assert desk.writes() == written
    assert "no secret" not in desk.lines()

    assert desk.remove().error is None
    assert github.find_repository() is None


def tokens_of(desk: Desk) -> list[AccessToken]:
    with desk.session() as session:
        listed = session.clients.databricks(desk.live.origin).tokens.list()
    return [one for one in listed if desk.project.name in one.comment]


def test_stored_secrets_go_in_sealed_open_over_there_and_never_come_out(
    desk: Desk, live: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def sealed(value: str, key: str) -> str:
        made.append(value)
        return seal(value, key)

    monkeypatch.setattr("mlops_tui.clouds.github_settings.seal", sealed)
    assert desk.set_up(authentication="token").error is None
    assert made[0].startswith("dapi")
    settings = desk.github().settings
    assert set(settings.secrets()) == {"DATABRICKS_TOKEN", "AZURE_CLIENT_SECRET"}
    shown = settings._rest.call("GET", f"{settings._root}/actions/secrets/DATABRICKS_TOKEN")
    assert set(shown) == {"name", "created_at", "updated_at"}
    for secret in made:
        assert secret not in desk.lines()
        assert secret.encode() not in (live.folder / "state.sqlite").read_bytes() + _wal(live)
    (first,) = tokens_of(desk)
    assert first.expires is not None
    written = desk.writes()
    assert desk.set_up(authentication="token").error is None
    assert desk.writes() == written

    # What is lost on the host is made anew, and the lost one opens nothing any more.
    settings.delete_secret("DATABRICKS_TOKEN")
    assert desk.pending(desk.plan(authentication="token")) == [("create", "secret DATABRICKS_TOKEN")]
    assert desk.set_up(authentication="token").error is None
    (second,) = tokens_of(desk)
    assert second.id != first.id

    # And who goes over to federated credentials has no secret left there.
    assert desk.set_up().error is None
    assert settings.secrets() == {}
    assert tokens_of(desk) == []


def test_what_was_set_before_by_others_stays_or_is_put_right(desk: Desk) -> None:
    assert desk.set_up().error is None
    settings = desk.github().settings
    desk.token(ADA)
    settings.set_variable("AZURE_TENANT_ID", "another", is_there=True)
    settings.delete_environment(f"{desk.project.name}-staging")
    assert desk.pending(desk.plan()) == [
        ("update", "variable AZURE_TENANT_ID"),
        ("create", f"environment {desk.project.name}-staging"),
    ]
    settings.put_environment(f"{desk.project.name}-production", [settings.user("ada")])
    assert desk.set_up().error is None
    production = settings.environment(f"{desk.project.name}-production")
    assert production is not None
    assert list(production.reviewers) == ["ada"], "nobody said otherwise"
    assert desk.set_up(approvers="learner, ada").error is None
    both = settings.environment(f"{desk.project.name}-production")
    assert both is not None
    assert set(both.reviewers) == {"learner", "ada"}


def test_another_repository_of_that_name_is_trusted_anew(desk: Desk) -> None:
    """Deleted and made again it has another id, and so have the subjects of its jobs."""
    assert desk.set_up().error is None
    github = desk.github()
    found = github.find_repository()
    assert found is not None
    github.delete_repository(found)
    assert desk.set_up().error is None
    with desk.session() as session:
        application = session.clients.directory.find_application(desk.project.name)
        assert application is not None
        trusted = session.clients.directory.list_federated_credentials(application.object_id)
        assert {one.subject.split(":", 2)[1] for one in trusted} == {github.settings.subject_prefix()[5:]}
        assert {one.name for one in trusted} == set(github_trust.names(desk.project))


@pytest.mark.parametrize("authentication", ["federated", "token"])
def test_a_private_repository_on_a_plan_without_reviewers_is_warned_of_and_never_left_open(
    desk: Desk, authentication: Literal["federated", "token"]
) -> None:
    """A run would make the environment itself, without anybody to ask: nothing may be there to sign in with."""
    desk.ask("PUT", "/_sandbox/github/plan", {"plan": "team"})
    desk.project = replace(desk.project, ci=replace(desk.project.ci, authentication=authentication))
    try:
        desk.github().make_repository()
        planned = desk.plan().findings["pipeline"].changes
        assert any("public" in change.warning for change in planned) or all(change.after for change in planned)
        outcome = desk.set_up()
        error = outcome.error
        assert error is not None
        assert "ask for reviewers" in error.message
        assert "ci.visibility" in error.hint
        assert "billing plan supports the required reviewers protection rule" in error.raw
        assert desk.github().settings.environment(f"{desk.project.name}-production") is None
        assert not desk.github().settings.secrets()
        with desk.session() as session:
            application = session.clients.directory.find_application(desk.project.name)
            assert application is not None
            assert not session.clients.directory.list_federated_credentials(application.object_id)
        again = {change.what: change for change in desk.plan().findings["pipeline"].changes}
        assert "public" in again[f"environment {desk.project.name}-production"].warning
    finally:
        desk.ask("PUT", "/_sandbox/github/plan", {"plan": "enterprise"})


@pytest.mark.parametrize(
    ("approvers", "kind", "words"),
    [
        ("nobody-at-all", UsageError, "GitHub has no user nobody-at-all"),
        ("eve", ForbiddenError, "eve cannot approve what goes into production"),
    ],
)
def test_who_cannot_review_is_named_before_anything_is_made(
    desk: Desk, approvers: str, kind: type[MlopsError], words: str
) -> None:
    if kind is not UsageError:  # whoever is nobody is known before there is a repository
        desk.github().make_repository()
    desk.github(github_token=desk.token(STRANGER)).account()  # so that GitHub knows her
    with desk.session(approvers=approvers) as session:
        session.learn("app_id", "an-id")
        session.learn("app_object_id", "an-id")
        session.learn("tenant_id", "an-id")
        session.learn("subscription_id", "an-id")
        before = desk.writes()
        with pytest.raises(kind, match=words):
            GitHubWiring().inspect(session)
        assert desk.writes() == before


def test_a_wrong_token_says_which_variable_and_which_scopes(desk: Desk) -> None:
    with pytest.raises(SignInError) as wrong:
        desk.github(github_token="ghp_" + "x" * 36).account()
    assert "GH_TOKEN" in wrong.value.hint
    assert "repo and workflow" in wrong.value.hint
    assert "Bad credentials" in wrong.value.raw
    with pytest.raises(SignInError, match="There is no token"):
        desk.github(github_token="")


def test_what_a_token_lacks_is_named_as_github_names_it(desk: Desk) -> None:
    desk.github().make_repository()
    fine = desk.github(github_token=desk.token(LEARNER, "contents=write", "actions=read"))
    with pytest.raises(ForbiddenError) as permission:
        fine.settings.secrets()
    assert "secrets: read" in permission.value.hint
    classic = desk.github(github_token=desk.token(LEARNER, "read:org"))
    with pytest.raises(ForbiddenError) as scope:
        classic.find_repository()
    assert "The token has the scopes: read:org. Make one with: repo." in scope.value.hint
    assert "Setup as a whole takes the scopes repo and workflow" in scope.value.hint, "so that it is made once"
    reader = desk.github(github_token=desk.token(ADA))
    assert reader.find_repository() is not None
    with pytest.raises(ForbiddenError, match="Must have admin rights"):
        reader.settings.put_environment("mine", ())
    assert desk.github(github_token=desk.token(STRANGER)).find_repository() is None


def test_a_name_that_is_taken_and_an_owner_that_is_not_there(desk: Desk) -> None:
    desk.github().make_repository()
    with pytest.raises(ConflictError) as taken:
        desk.github(github_token=desk.token(LEARNER, "public_repo"), visibility="public").make_repository()
    assert "name already exists on this account" in taken.value.message
    with pytest.raises(UsageError, match="GitHub knows no owner elsewhere"):
        desk.github(organization="elsewhere").find_repository()  # which the plan asks for, before anything is made
    with pytest.raises(NotFoundError, match="the owner elsewhere"):
        desk.github(organization="elsewhere").make_repository()


def test_a_rate_limit_asks_for_patience(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    github = desk.github()
    monkeypatch.setattr("azure.core.pipeline.policies.RetryPolicy.sleep", lambda *_, **__: None)
    desk.ask("POST", "/_sandbox/faults", {"path": "/api/v3/user", "status": 429, "count": 20})
    try:
        with pytest.raises(ThrottledError, match="secondary rate limit"):
            github.account()
    finally:
        desk.ask("DELETE", "/_sandbox/faults")


def test_a_job_of_another_branch_is_told_which_subject_it_has_and_which_were_expected(desk: Desk) -> None:
    assert desk.set_up().error is None
    given = f"{desk.github().settings.subject_prefix()}:ref:refs/heads/feature"
    with desk.session() as session:
        application = session.clients.directory.find_application(desk.project.name)
        assert application is not None
    forged = jwt.encode(
        {
            "iss": "https://token.actions.githubusercontent.com",
            "sub": given,
            "aud": "api://AzureADTokenExchange",
            "exp": 4_000_000_000,
        },
        "of another issuer, whose signature is not checked here",
    )
    with desk.session() as session:
        # The same trust, for an issuer whose tokens a test can make.
        for one in session.clients.directory.list_federated_credentials(application.object_id):
            theirs = replace(one, issuer="https://token.actions.githubusercontent.com")
            session.clients.directory.change_federated_credential(application.object_id, theirs)
    (desk.folder / "token").write_text(forged)
    job = replace(
        desk.project, client_id=application.app_id, client_secret="", federated_token_file=str(desk.folder / "token")
    )
    with pytest.raises(SignInError) as mismatch:
        Identity(job, desk.cloud).caller()
    assert f"Given: {given}." in mismatch.value.message
    prefix = given.removesuffix(":ref:refs/heads/feature")
    assert f"{prefix}:ref:refs/heads/main" in mismatch.value.message
    assert f"{prefix}:environment:{desk.project.name}-production" in mismatch.value.message
    assert mismatch.value.code == "AADSTS700213"
    assert "ci.branch" in mismatch.value.hint


def test_the_same_by_hand(desk: Desk) -> None:
    told = GitHubWiring().by_hand(desk.project)
    assert "gh variable set AZURE_CLIENT_ID" in told
    assert f'environments/{desk.project.name}-production" -F' in told
    assert f":environment:{desk.project.name}-staging" in told
    stored = GitHubWiring().by_hand(replace(desk.project, ci=replace(desk.project.ci, authentication="token")))
    assert "gh secret set DATABRICKS_TOKEN" in stored


def _wal(live: LiveSandbox) -> bytes:
    log = live.folder / "state.sqlite-wal"
    return log.read_bytes() if log.exists() else b""
