"""The commands of the GitHub CLI, and of Azure's, that wire the pipeline as the wizard does."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mlops_tui.setup import secret_keys
from mlops_tui.setup.github_trust import subjects
from mlops_tui.setup.pipeline import STAGES, environment_name

if TYPE_CHECKING:
    from mlops_tui.project import Project


def by_hand(project: Project) -> str:
    repository = shlex.quote(f"{project.ci.organization or 'OWNER'}/{project.repository}")
    lines = [
        f"REPO={repository}",
        secret_keys.by_hand_app_id(project),
        'gh variable set AZURE_CLIENT_ID --repo "$REPO" --body "$APP_ID"',
        'gh variable set AZURE_TENANT_ID --repo "$REPO" --body "$(az account show --query tenantId -o tsv)"',
        'gh variable set AZURE_SUBSCRIPTION_ID --repo "$REPO" --body "$(az account show --query id -o tsv)"',
        *(_token(project) if project.ci.authentication == "token" else ()),
        *_environments(project),
        *(_federated(project) if project.ci.authentication == "federated" else ()),
    ]
    return "\n".join(lines)


def _environments(project: Project) -> list[str]:
    approvers = [one.strip() for one in project.ci.approvers.split(",") if one.strip()]
    staging, production = (environment_name(project, stage) for stage in STAGES)
    asked = [f"users/{shlex.quote(login)}" for login in approvers] or ["user"]
    people = " ".join(f"-F 'reviewers[][type]=User' -F \"reviewers[][id]=$(gh api {one} --jq .id)\"" for one in asked)
    return [
        f'gh api -X PUT "repos/$REPO/environments/{staging}"',
        f'gh api -X PUT "repos/$REPO/environments/{production}" {people}',
    ]


def _federated(project: Project) -> list[str]:
    lines = ['SUBJECT=$(gh api "repos/$REPO/actions/oidc/customization/sub" --jq .sub_claim_prefix)']
    for name, subject in subjects(project, "'$SUBJECT'").items():
        body = (
            f'{{"name":"{name}","issuer":"https://token.actions.githubusercontent.com",'
            f'"subject":"{subject}","audiences":["api://AzureADTokenExchange"]}}'
        ).replace("'$SUBJECT'", "'\"$SUBJECT\"'")
        lines.append(f"az ad app federated-credential create --id \"$APP_ID\" --parameters '{body}'")
    return lines


def _token(project: Project) -> list[str]:
    seconds = project.ci.token_days * 86_400
    ends = f"$(date -u -d '+{project.ci.token_days} days' +%Y-%m-%dT%H:%M:%SZ)"
    comment = shlex.quote(f"mlops-tui {project.name} GitHub")
    return [
        f"databricks tokens create --comment {comment} --lifetime-seconds {seconds} -o json | jq -r .token_value \\",
        '  | gh secret set DATABRICKS_TOKEN --repo "$REPO"',
        f'az ad app credential reset --id "$APP_ID" --append --display-name {comment} --end-date "{ends}" \\',
        '  --query password -o tsv | gh secret set AZURE_CLIENT_SECRET --repo "$REPO"',
    ]
