"""The commands of the Azure CLI that wire the pipeline in Azure DevOps as the wizard does.

Source: `az devops`, `az pipelines` (the extension azure-devops); what these do not have goes by `az devops invoke`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mlops_tui.pipelines.names import STAGES, connection_name, environment_name
from mlops_tui.setup import secret_keys
from mlops_tui.setup.azure_devops_trust import credential_name

if TYPE_CHECKING:
    from mlops_tui.project import Project

API = "--api-version 7.1-preview"


def by_hand(project: Project) -> str:
    organization = shlex.quote(f"https://dev.azure.com/{project.ci.organization or 'ORGANIZATION'}")
    name, repository = shlex.quote(project.name), shlex.quote(project.repository)
    lines = [
        f"az devops configure --defaults organization={organization} project={shlex.quote(project.ci_project)}",
        secret_keys.by_hand_app_id(project),
        *(_trust(project) if project.ci.authentication == "federated" else ()),
        f"PIPELINE=$(az pipelines create --name {name} --repository {repository} --repository-type tfsgit \\",
        (
            f"  --branch {shlex.quote(project.ci.branch)} --yml-path azure-pipelines.yml --skip-first-run true "
            "--query id -o tsv)"
        ),
        _variable(project, "azure.tenant_id", '"$(az account show --query tenantId -o tsv)"'),
        _variable(project, "azure.subscription_id", '"$(az account show --query id -o tsv)"'),
        _variable(project, "azure.client_id", '"$APP_ID"'),
        *(_secrets(project) if project.ci.authentication == "token" else ()),
        *_environments(project),
    ]
    return "\n".join(lines)


def _trust(project: Project) -> list[str]:
    name = connection_name(project)
    connection = (
        f'{{"name":"{name}","type":"azurerm","url":"https://management.azure.com/","authorization":'
        '{"scheme":"WorkloadIdentityFederation","parameters":{"tenantid":"TENANT","serviceprincipalid":"APP_ID"}},'
        '"data":{"environment":"AzureCloud","scopeLevel":"Subscription","creationMode":"Manual",'
        '"subscriptionId":"SUBSCRIPTION","subscriptionName":"SUBSCRIPTION"},"serviceEndpointProjectReferences":'
        f'[{{"projectReference":{{"name":"{project.ci_project}"}},"name":"{name}"}}]}}'
    )
    made = (
        f'{{"name":"{credential_name(project)}","issuer":"ISSUER","subject":"SUBJECT",'
        '"audiences":["api://AzureADTokenExchange"]}'
    )
    return [
        "# put your own tenant, subscription and $APP_ID into this file",
        f"echo '{connection}' >connection.json",
        "az devops service-endpoint create --service-endpoint-configuration connection.json \\",
        "  --query authorization.parameters  # its workloadIdentityFederationIssuer and …Subject go into the next file",
        f"echo '{made}' >credential.json",
        'az ad app federated-credential create --id "$APP_ID" --parameters credential.json',
        "# in Project settings, Service connections, Security: let the pipeline use it",
    ]


def _variable(project: Project, name: str, value: str) -> str:
    return f"az pipelines variable create --pipeline-id $PIPELINE --name {name} --value {value}"


def _secrets(project: Project) -> list[str]:
    seconds = project.ci.token_days * 86_400
    ends = f"$(date -u -d '+{project.ci.token_days} days' +%Y-%m-%dT%H:%M:%SZ)"
    comment = shlex.quote(f"mlops-tui {project.name} Azure DevOps")
    put = "az pipelines variable create --pipeline-id $PIPELINE --secret true"
    return [
        "# without --value the value is asked for: what the two commands before them print",
        f"databricks tokens create --comment {comment} --lifetime-seconds {seconds} -o json | jq -r .token_value",
        f"{put} --name databricks.token",
        (
            f'az ad app credential reset --id "$APP_ID" --append --display-name {comment} --end-date "{ends}" '
            "--query password -o tsv"
        ),
        f"{put} --name azure.client_secret",
    ]


def _environments(project: Project) -> list[str]:
    lines = []
    for stage in STAGES:
        body = f'{{"name":"{environment_name(project, stage)}"}}'
        lines += [
            f"echo '{body}' >environment.json",
            (
                "az devops invoke --http-method POST --area distributedtask --resource environments "
                f"--route-parameters project={shlex.quote(project.ci_project)} --in-file environment.json {API}"
            ),
        ]
    return [
        *lines,
        "# in Pipelines, Environments: add Exclusive Lock to both and Approvals to the second (Approvals and checks),",
        "# and let the pipeline use them (Security)",
    ]
