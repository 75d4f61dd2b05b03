"""Whether a stage answers as training did: the build's kept test set goes to the endpoint, and a verdict comes of it.

The verdict is a tag on the model version, so that whoever deploys to production can see it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui.delivery import checks, endpoints, kept_rows, keys, lanes, measures, versions
from mlops_tui.delivery.kept_rows import KeptRows, Row
from mlops_tui.errors import (
    AccessError,
    CloudError,
    MlopsError,
    ThrottledError,
    UnreachableError,
    UsageError,
    ValidationFailedError,
)
from mlops_tui.events import Endpoint, Stage, Validated, Verdict
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Emit, Report

if TYPE_CHECKING:
    from mlops_tui.clouds.ml_models import ModelVersion
    from mlops_tui.session import Session

BATCH = 200  # rows in one question
SINGLES, SINGLES_SECONDS = 100, 10.0  # questions of one row, and for how long at most
ATTEMPTS, PAUSE = 3, 1.0  # at a question that a busy endpoint did not answer
LONGEST_DETAIL = 250  # characters of a tag


def validate(session: Session, emit: Emit, stage: Stage = "staging", build: str = "") -> str:
    """Of the build that the stage serves, or of `build`, which it must be then.

    Raises ValidationFailedError with what is not good enough; before that, the verdict has been told and kept.
    """
    with lanes.under_way(session, emit, "validation", build, f"Validation of {stage}") as lane:
        endpoint = endpoints.require(session, stage, endpoints.HEALTHY_SECONDS)
        version = _version(session, endpoint, build)
        lane.build = version.tags.get(versions.BUILD, "")
        lane.log(f"asking {stage} ({endpoint.url}) about the kept test set of build {lane.build}")
        evidence = gather(session, lane.report, endpoint, version)
        verdict = _verdict(session, endpoint, lane.build, evidence)
        if stage == "staging":  # production's own answers must not approve production
            _keep(session, lane.report, version, verdict)
        emit(Validated(verdict=verdict))
        if not verdict.passed:
            raise _failed(verdict)
        lane.outcome = f"passed: {len(verdict.checks)} checks, {verdict.rows} rows"
    return f"Build {verdict.build} is validated in {stage}."


def _version(session: Session, endpoint: Endpoint, build: str) -> ModelVersion:
    """What is to be validated. Raises UsageError where the stage serves something else."""
    if not build:
        served = versions.of_image(session, endpoint.image)
        if served is None:
            raise UsageError(
                f"No version of the model {session.project.delivery.model_name} has the image that "
                f"{endpoint.stage} runs ({endpoint.image or 'unknown'}).",
                hint=f"Deploy one that was built here: mlops-tui build, then mlops-tui deploy {endpoint.stage}",
            )
        return served
    version = versions.of_build(session, build)
    if endpoint.build != build:
        raise UsageError(
            f"{endpoint.stage.capitalize()} serves build {endpoint.build or 'unknown'}, not build {build}.",
            hint=f"Deploy it first: mlops-tui deploy {endpoint.stage} --build {build}",
        )
    return version


def gather(session: Session, report: Report, endpoint: Endpoint, version: ModelVersion) -> checks.Evidence:
    """Ask the stage and, where another build answers there, production."""
    kept = kept_rows.read(session, versions.run_of(version))
    key = keys.endpoint_key(session, endpoint.stage)
    asked = Questions(session, endpoint.url, key)
    served = asked.all(kept.rows)
    report.log(f"{len(kept.rows)} rows answered in {asked.milliseconds:.0f} ms; now one by one")
    single = asked.singles(kept.rows)
    champion, build, why = _champion(session, report, endpoint, kept)
    return checks.Evidence(
        image=version.tags[versions.IMAGE],
        served_image=endpoint.image,
        kept=kept,
        trained=versions.metrics(version.tags),
        served=served,
        single_ms=single,
        champion=champion,
        champion_build=build,
        no_champion=why,
    )


class Questions:
    """Puts rows to one endpoint."""

    def __init__(self, session: Session, url: str, key: str, deployment: str = "") -> None:
        self._session = session
        self._url, self._key, self._deployment = url, key, deployment
        self.milliseconds = 0.0  # of all questions

    def all(self, rows: Sequence[Row]) -> tuple[float, ...]:
        """A prediction a row, asked in batches."""
        found: list[float] = []
        for start in range(0, len(rows), BATCH):
            found += self._ask(rows[start : start + BATCH])
        return tuple(found)

    def singles(self, rows: Sequence[Row]) -> tuple[float, ...]:
        """Milliseconds of questions of one row each; the first, which opens the connection, does not count."""
        self._ask(rows[:1])
        taken: list[float] = []
        deadline = time.monotonic() + SINGLES_SECONDS
        while len(taken) < SINGLES and time.monotonic() < deadline:
            before = self.milliseconds
            self._ask(rows[len(taken) % len(rows) :][:1])
            taken.append(self.milliseconds - before)
        return tuple(taken)

    def _ask(self, rows: Sequence[Row]) -> tuple[float, ...]:
        """Once more where nobody answers, as a busy endpoint may do. Raises Interrupted when told to stop."""
        attempt = 1
        while True:
            stop_if_cancelled(self._session, f"the questions to {self._url}")
            try:
                scored = self._session.clients.scoring.score(self._url, self._key, rows, self._deployment)
            except (ThrottledError, UnreachableError):
                if attempt == ATTEMPTS:
                    raise
            else:
                self.milliseconds += scored.milliseconds
                return scored.predictions
            self._session.cancelled.wait(PAUSE * attempt)
            attempt += 1


def _champion(
    session: Session, report: Report, challenger: Endpoint, kept: KeptRows
) -> tuple[tuple[float, ...] | None, str, str]:
    """Production's answers and its build; or None, and why. That production is ill is no fault of staging's."""
    if challenger.stage == "production":
        return None, "", "this is production itself"
    production = endpoints.read_stage(session, "production")
    if production.health == "absent":
        return None, "", "nothing is in production yet"
    if production.health != "healthy":
        return None, "", f"production is {production.health} ({production.detail or production.state})"
    if production.image == challenger.image:
        return None, "", f"production serves the same image (build {production.build})"
    try:
        key = keys.endpoint_key(session, "production")
        return Questions(session, production.url, key).all(kept.rows), production.build, ""
    except (CloudError, AccessError) as error:
        report.log(f"production could not be compared with: {error.message}", "warning")
        return None, "", f"production did not answer these rows: {error.message}"


def _verdict(session: Session, endpoint: Endpoint, build: str, evidence: checks.Evidence) -> Verdict:
    judged = checks.judge(evidence, session.project)
    return Verdict(
        build=build,
        image=evidence.image,
        stage=endpoint.stage,
        passed=all(check.passed for check in judged),
        rows=len(evidence.kept.rows),
        checks=judged,
        comparisons=checks.compare(evidence, session.project),
        p50_ms=round(measures.percentile(evidence.single_ms, 50), 3),
        p95_ms=round(measures.percentile(evidence.single_ms, 95), 3),
        at=time.time(),
        champion=evidence.champion_build,
    )


def _keep(session: Session, report: Report, version: ModelVersion, verdict: Verdict) -> None:
    """As tags: on the model version in Azure ML, which is what counts, then on MLflow's as far as that allows it."""
    failed = [check for check in verdict.checks if not check.passed]
    telling = failed or [check for check in verdict.checks if check.name in ("equals training", "champion")]
    detail = "; ".join(f"{check.name}: {check.detail}" for check in telling)
    tags = {
        "verdict": "passed" if verdict.passed else "failed",
        "verdict_at": datetime.fromtimestamp(verdict.at, UTC).isoformat(timespec="seconds"),
        "verdict_build": verdict.build,
        "verdict_detail": detail[:LONGEST_DETAIL],
    }
    session.clients.models.tag(version, tags)
    registered = session.project.delivery.registered
    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    try:
        tagged = databricks.models.tag(registered, versions.run_of(version), tags)
        if not tagged:
            report.log(
                f"MLflow's registry has no version of {registered} from this run to carry the verdict", "warning"
            )
    except MlopsError as error:
        report.log(f"MLflow's registry did not take the verdict: {error.message}", "warning")


def _failed(verdict: Verdict) -> ValidationFailedError:
    failed = [check for check in verdict.checks if not check.passed]
    count = "a check" if len(failed) == 1 else f"{len(failed)} checks"
    return ValidationFailedError(
        f"Build {verdict.build} fails {count} in {verdict.stage}: "
        f"{'; '.join(f'{check.name} ({check.detail})' for check in failed)}.",
        hint="Production refuses it. Train a better one, or see what its container does: "
        f"mlops-tui logs {verdict.stage}",
    )
