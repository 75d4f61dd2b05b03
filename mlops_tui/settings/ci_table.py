"""The table's part on Git and CI: where the repository is, and who may do what there."""

from __future__ import annotations

from mlops_tui.settings import rules
from mlops_tui.settings.setting import Setting

CI: tuple[Setting, ...] = (
    Setting(
        "ci_host",
        "ci.host",
        "where repository and pipeline are; none: do without",
        "none",
        choices=("none", "azure-devops", "github"),
        place="ci.host",
    ),
    Setting(
        "ci_organization",
        "ci.organization",
        "the organisation there, by name or address; on GitHub the repository's owner",
        "",
        rules.organization,
        place="ci.organization",
    ),
    Setting(
        "ci_project",
        "ci.project",
        "the project in Azure DevOps; empty: named as this one",
        "",
        rules.ci_project,
        place="ci.project",
    ),
    Setting(
        "ci_repository",
        "ci.repository",
        "the repository; empty: named as the project",
        "",
        rules.repository_name,
        place="ci.repository",
    ),
    Setting("ci_branch", "ci.branch", "the branch that is built", "main", rules.branch_name, place="ci.branch"),
    Setting(
        "ci_visibility",
        "ci.visibility",
        "who may see a repository that is made",
        "private",
        choices=("private", "public"),
        place="ci.visibility",
    ),
    Setting(
        "ci_authentication",
        "ci.authentication",
        "how pipelines sign in: without any secret (federated), or by stored ones (token)",
        "federated",
        choices=("federated", "token"),
        place="ci.authentication",
    ),
    Setting(
        "ci_approvers",
        "ci.approvers",
        "who lets builds into production there, with commas between; empty: whoever sets it up",
        "",
        rules.one_line(1024),
        place="ci.approvers",
    ),
    Setting(
        "ci_pool",
        "ci.pool",
        "your own agents: an agent pool, or a runner's label; empty: those of the host",
        "",
        rules.one_line(128),
        place="ci.pool",
    ),
    Setting(
        "ci_token_days",
        "ci.token_days",
        "days until a token that pipelines sign in with expires",
        30,
        rules.between(1, 730),
        place="ci.token_days",
    ),
    Setting(
        "azure_devops_token",
        "ci.azure_devops_token",
        "a personal access token of Azure DevOps; without one the Azure sign-in counts",
        "",
        rules.one_line(4096),
        also=("AZURE_DEVOPS_EXT_PAT",),
        secret=True,
        place="ci.azure_devops_token",
    ),
    Setting(
        "github_token",
        "ci.github_token",
        "a token of GitHub",
        "",
        rules.one_line(4096),
        also=("GH_TOKEN", "GITHUB_TOKEN"),
        secret=True,
        place="ci.github_token",
    ),
)
