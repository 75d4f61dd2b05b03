"""The cluster that the training runs on, and the libraries it needs."""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING, Any

from mlops_tui.errors import CloudError, PlanChangedError, UsageError
from mlops_tui.events import Action, Change
from mlops_tui.setup import marks
from mlops_tui.setup.namesakes import choose, remove_ours
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding, NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_clusters import Cluster as Found
    from mlops_tui.clouds.databricks_clusters import Clusters, Spec
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

PACKAGES = ("mlflow", "scikit-learn")  # what the notebooks import and a runtime without "-ml-" lacks
SETTLED = ("RUNNING", "TERMINATED")  # the states in which the platform lets a cluster be edited
SETTLE_SECONDS = 900.0  # a cluster on its way up or down takes minutes
POLL_SECONDS = 5.0
SINGLE_NODE = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}


class Cluster:
    """A step (see `steps.Step`)."""

    name = "cluster"
    title = "Cluster and its libraries"
    about = (
        "A cluster is a group of rented machines that runs notebooks: one driver that leads, and workers that come "
        "and go with the load. This is what costs money: each machine by the minute while it runs, nothing once it "
        "is off, which it is by itself after some idle minutes. The plan names the machines. Starting takes a few "
        "minutes. If Azure has none free, choose another kind of machine or another region."
    )
    link = "https://learn.microsoft.com/en-us/azure/databricks/compute/configure"
    needs: tuple[str, ...] = ("databricks-workspace",)
    settings: tuple[str, ...] = (
        "cluster_name",
        "cluster_spark_version",
        "cluster_node_type",
        "cluster_min_workers",
        "cluster_max_workers",
        "cluster_autotermination_minutes",
    )

    def wanted(self, project: Project) -> tuple[Change, ...]:
        cluster = Change("create", _what(project), _in_words(project), cost=_cost(project))
        return (cluster, *(Change("create", _library_what(project, package)) for package in _packages(project)))

    def inspect(self, session: Session) -> Finding:
        project = session.project
        clusters = _clusters(session)
        ours, spare = _choose(clusters.named(project.cluster.name), project)
        if ours is None:
            session.forget("cluster_id")
            _check_offer(clusters, project)
            return Finding(self.wanted(project))
        session.learn("cluster_id", ours.id)
        if ours.state == "ERROR":
            raise CloudError(
                f"The cluster {ours.name} is broken: {ours.message or 'its state is ERROR'}.",
                hint="Delete it in the workspace (Compute), then run the same command again: a new one is made.",
                link=f"{_host(session)}/compute/clusters/{ours.id}",
            )
        details = _differences(clusters.spec(ours.id), _spec(project, ours))
        if details:
            _check_offer(clusters, project)
        if spare:
            details.append(f"remove {len(spare)} more of that name that an interrupted run has left")
        action: Action = "update" if details else "keep"
        changes = [Change(action, _what(project), "; ".join(details) or ours.state.lower(), cost=_cost(project))]
        set_there = clusters.packages(ours.id) if _packages(project) else {}
        for package in _packages(project):
            there = set_there.get(package, "FAILED") not in ("FAILED", "UNINSTALL_ON_RESTART")
            changes.append(Change("keep" if there else "create", _library_what(project, package)))
        return Finding(tuple(changes))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """Raises PlanChangedError where the cluster would have to be made, and the plan did not say so."""
        project = session.project
        clusters = _clusters(session)
        pending = {change.what for change in finding.pending}
        ours, spare = _choose(clusters.named(project.cluster.name), project)
        planned = _what(project) in pending
        if ours is not None:
            cluster_id = ours.id
            if planned:
                _bring_in_line(session, clusters, ours, report)
        elif planned:
            cluster_id = clusters.create(_spec(project, None))
            report.log(f"asked for the cluster {project.cluster.name}; it starts meanwhile")
        else:
            raise PlanChangedError(f"The {_what(project)} has gone since the plan was made.")
        session.learn("cluster_id", cluster_id)
        report.identified(_what(project), cluster_id, f"{_host(session)}/compute/clusters/{cluster_id}")
        for more in spare if planned else []:
            stop_if_cancelled(session, self.title)
            clusters.delete(more.id)
            report.log(f"deleted {more.id}, which an interrupted run had left")
        missing = [package for package in _packages(project) if _library_what(project, package) in pending]
        if missing:
            stop_if_cancelled(session, self.title)
            clusters.install(cluster_id, missing)
            report.log(f"asked for {', '.join(missing)} on the cluster {project.cluster.name}")
        if clusters.state(cluster_id).state == "TERMINATED":
            stop_if_cancelled(session, self.title)
            clusters.start(cluster_id)
            report.log(f"asked for the start of the cluster {project.cluster.name}")

    def remove(self, session: Session, report: Report) -> None:
        project = session.project
        try:
            clusters = _clusters(session)
        except NotYetKnown:
            report.log("there is no workspace, so no cluster either")
            return
        found = clusters.named(project.cluster.name)
        remove_ours(found, project, _what(project), lambda cluster: clusters.delete(cluster.id), report)
        session.forget("cluster_id")

    def by_hand(self, project: Project) -> str:
        spec = shlex.quote(json.dumps(_spec(project, None)))
        lines = [f"CLUSTER_ID=$(databricks clusters create --no-wait --json {spec} -o json | jq -r .cluster_id)"]
        if _packages(project):
            libraries = json.dumps([{"pypi": {"package": package}} for package in _packages(project)])
            body = f"jq -n --arg id \"$CLUSTER_ID\" '{{cluster_id: $id, libraries: {libraries}}}'"
            lines.append(f'databricks libraries install --json "$({body})"')
        return "\n".join(lines)


def _host(session: Session) -> str:
    return session.know("databricks_host", "databricks-workspace")


def _clusters(session: Session) -> Clusters:
    return session.clients.databricks(_host(session)).clusters


def _what(project: Project) -> str:
    return f"cluster {project.cluster.name}"


def _library_what(project: Project, package: str) -> str:
    return f"library {package} on cluster {project.cluster.name}"


def _in_words(project: Project) -> str:
    spec = project.cluster
    minutes = spec.autotermination_minutes
    ending = f"stops after {minutes} idle minutes" if minutes else "never stops by itself"
    return f"{spec.spark_version} on {spec.node_type}, {ending}"


def _cost(project: Project) -> str:
    spec = project.cluster
    fewest, most = spec.min_workers + 1, spec.max_workers + 1
    machines = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    ending = "nothing while it is stopped" if spec.autotermination_minutes else "and it runs until somebody stops it"
    return f"{machines} × {spec.node_type} (machines and DBUs) while it runs; {ending}"


def _packages(project: Project) -> tuple[str, ...]:
    return () if "-ml-" in project.cluster.spark_version else PACKAGES


def _choose(found: list[Found], project: Project) -> tuple[Found | None, list[Found]]:
    """The one to use, and those of ours that are one too many. Raises ConflictError where only a person can choose."""
    hint = "Rename or delete all but one, or give ours another name (databricks.cluster.name)."
    return choose(found, project, f"clusters are named {project.cluster.name}", hint)


def _spec(project: Project, adopted: Found | None) -> Spec:
    """What clusters/create is asked for. A cluster that somebody else made keeps its own tags."""
    spec = project.cluster
    wanted: Spec = {
        "cluster_name": spec.name,
        "spark_version": spec.spark_version,
        "node_type_id": spec.node_type,
        "autotermination_minutes": spec.autotermination_minutes,
    }
    if spec.min_workers < spec.max_workers:
        wanted["autoscale"] = {"min_workers": spec.min_workers, "max_workers": spec.max_workers}
    else:
        wanted["num_workers"] = spec.max_workers
    tags = marks.tags(project) if adopted is None or marks.is_ours(adopted.tags, project) else {}
    if spec.max_workers == 0:
        wanted["spark_conf"] = SINGLE_NODE
        tags = tags | {"ResourceClass": "SingleNode"}
    if tags:
        wanted["custom_tags"] = tags
    return wanted


def _differences(there: Spec, wanted: Spec) -> list[str]:
    """In words, one for each thing that differs; what we do not set is nobody's business."""
    found = []
    for name, value in wanted.items():
        is_there: Any = there.get(name)
        if isinstance(value, dict) and isinstance(is_there, dict):
            is_there = {key: is_there.get(key) for key in value}
        if name == "num_workers" and "autoscale" in there:  # then it is just the present number
            is_there = "autoscaling"
        if is_there != value:
            found.append(f"{name}: {_short(is_there)} → {_short(value)}")
    return found


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return "unset" if value is None else str(value)


def _check_offer(clusters: Clusters, project: Project) -> None:
    """Before anything is made: raises UsageError where the workspace offers no such runtime or machine."""
    offer = clusters.offer()
    spec = project.cluster
    problems = []
    if spec.spark_version not in offer.spark_versions:
        newest = sorted((key for key in offer.spark_versions if "-cpu-ml-" in key), key=_version, reverse=True)[:3]
        problems.append(f"runtime {spec.spark_version!r} is not offered; machine-learning ones: {', '.join(newest)}")
    if spec.node_type not in offer.node_types:
        family = [name for name in sorted(offer.node_types) if name[:11] == spec.node_type[:11]][:5]
        problems.append(f"node type {spec.node_type!r} is not offered here; akin: {', '.join(family) or 'none'}")
    if problems:
        raise UsageError(
            "The cluster cannot be made as the project file has it: " + "; ".join(problems) + ".",
            problems=tuple(problems),
            hint="Change databricks.cluster.spark_version or databricks.cluster.node_type.",
        )


def _version(key: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in key.split(".")[:2])


def _bring_in_line(session: Session, clusters: Clusters, ours: Found, report: Report) -> None:
    wanted = _spec(session.project, ours)
    differences = _differences(clusters.spec(ours.id), wanted)
    if not differences:
        return
    _wait_until_settled(session, clusters, ours, report)
    clusters.edit(ours.id, wanted)
    report.log(f"changed the cluster {ours.name}: {'; '.join(differences)}")


def _wait_until_settled(session: Session, clusters: Clusters, ours: Found, report: Report) -> None:
    """Until it is up or down. Raises Interrupted, and CloudError where it takes too long."""
    deadline = time.monotonic() + SETTLE_SECONDS
    told = ""
    while (state := clusters.state(ours.id).state) not in SETTLED:
        if time.monotonic() > deadline:
            raise CloudError(f"The cluster {ours.name} has been {state.lower()} for {SETTLE_SECONDS / 60:.0f} minutes.")
        if state != told:
            report.log(f"the cluster {ours.name} is {state.lower()}; it can be changed once that is over")
            told = state
        session.cancelled.wait(min(POLL_SECONDS, session.cloud.poll_seconds or POLL_SECONDS))
        stop_if_cancelled(session, _what(session.project))
