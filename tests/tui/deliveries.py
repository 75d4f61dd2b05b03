"""Images, endpoints and verdicts, and how each job of delivery tells of itself: as the worker does."""

from __future__ import annotations

from mlops_tui.events import (
    ApprovalAsked,
    Approved,
    Change,
    Check,
    CommandFinished,
    Comparison,
    Deployment,
    Endpoint,
    EndpointsRead,
    ErrorCard,
    Event,
    Identified,
    ImageReady,
    ImagesListed,
    LaneState,
    LogLine,
    ModelImage,
    Predicted,
    Problem,
    RowsRead,
    RunsListed,
    Stage,
    Validated,
    Verdict,
)
from tests.tui.sweeps import GATE, NAMES, result

NEW, OLD = "18", "17"
AT = 1795324543.0
KEY = "not-for-anybodys-eyes-0123456789"
LOST = ErrorCard(
    "The image was not built: pip found no scikit-learn 9.9.",
    "Train again with a version that exists, then build again.",
    "https://learn.microsoft.com/azure/container-registry/",
    raw="ERROR: No matching distribution found for scikit-learn==9.9",
)
WORSE = ErrorCard("The verdict on build 18 is: failed. It loses to the champion.", "Train again with other parameters.")
NOT_SET_UP = ErrorCard("Nothing is set up yet.", "Apply setup first.", exit_code=2)


def trained(*builds: str) -> RunsListed:
    """A good run of each build, newest first."""
    return RunsListed(results=tuple(result(NAMES[2], 0.71, build) for build in builds), gate=GATE)


def image(build: str = NEW, **others: object) -> ModelImage:
    known: dict[str, object] = {
        "id": f"mlops1a2b3c.azurecr.io/winequality@sha256:{int(build):064x}",
        "build": build,
        "source": "local",
        "run_id": f"run-{build}",
        "model": "winequality",
        "version": f"{int(build) - 14}",
        "metrics": {"rmse": 0.71, "mae": 0.55, "r2": 0.29},
        "created": AT,
        **others,
    }
    return ModelImage(**known)  # type: ignore[arg-type]  # by name, from a dict


def images(*each: ModelImage) -> ImagesListed:
    return ImagesListed(images=each)


def absent(stage: Stage) -> Endpoint:
    target = "Azure Container Instances" if stage == "staging" else "Kubernetes online endpoint"
    return Endpoint(stage, f"wine-quality-{'aci' if stage == 'staging' else 'aks'}", target, "absent")


def staging(build: str = NEW, previous: str = "") -> Endpoint:
    name = "wine-quality-aci"
    return Endpoint(
        "staging",
        name,
        "Azure Container Instances",
        "healthy",
        "Running",
        "http://wine-quality-aci-1a2b3c4d.westeurope.azurecontainer.io:5001/score",
        build,
        image(build).id,
        (Deployment(name, image(build).id, build, 100, "Running", "winequality", image(build).version),),
        previous,
        "https://portal.azure.com/#resource/staging",
    )


def production(build: str = NEW, previous: str = OLD) -> Endpoint:
    deployments = [Deployment("green", image(build).id, build, 100, "Succeeded")]
    if previous:
        deployments.insert(0, Deployment("blue", image(previous).id, previous, 0, "Succeeded"))
    return Endpoint(
        "production",
        "wine-quality-aks",
        "Kubernetes online endpoint",
        "healthy",
        "Succeeded",
        "http://20.1.2.3/api/v1/endpoint/wine-quality-aks/score",
        build,
        image(build).id,
        tuple(deployments),
        previous,
        "https://ml.azure.com/endpoints/wine-quality-aks",
    )


def answering(*endpoints: Endpoint) -> EndpointsRead:
    return EndpointsRead(endpoints=endpoints)


def nothing_answers() -> EndpointsRead:
    return answering(absent("staging"), absent("production"))


def verdict(passed: bool = True, champion: str = OLD, build: str = NEW) -> Verdict:
    checks = (
        Check("equals training", True, "rmse 0.7100, trained 0.7100, within 1e-06"),
        Check("gate", True, "rmse 0.7100 < 0.8"),
        Check("champion", passed, f"rmse 0.7100, build 17 has {0.74 if passed else 0.69:.4f}"),
        Check("latency", True, "p50 12.4 ms, p95 31.0 ms over 100 single rows"),
    )
    rmse = (0.74 if passed else 0.69) if champion else None
    compared = (
        Comparison("rmse", 0.71, 0.71, rmse),
        Comparison("mae", 0.55, 0.55, 0.55 if champion else None),
        Comparison("r2", 0.29, 0.29, (0.22 if passed else 0.34) if champion else None),
    )
    return Verdict(build, image(build).id, "staging", passed, 400, checks, compared, 12.4, 31.0, AT, champion)


def building() -> list[Event]:
    return [
        LaneState(lane="image", title="Container image in the registry", state="running", build=NEW),
        Identified(what="image job run", id="2001", url="https://adb.example/run/2001"),
        LogLine(source="image", text="Step 3/8 : RUN pip install --no-cache-dir -r requirements.txt"),
        LogLine(source="image", text="WARNING: Running pip as root", level="warning"),
    ]


def built() -> list[Event]:
    return [
        LaneState(lane="image", title="Container image in the registry", state="done", build=NEW, seconds=42.0),
        ImageReady(image=image(), fresh=True),
        CommandFinished(command="build", exit_code=0, seconds=42.0, summary="The image of build 18 is ready."),
    ]


def deployed(stage: Stage = "staging") -> list[Event]:
    endpoint = staging() if stage == "staging" else production()
    return [
        LaneState(lane=stage, title=f"{stage.capitalize()} on {endpoint.target}", state="running", build=NEW),
        LogLine(source=stage, text="The smoke test has passed: ten rows."),
        *([Approved(stage=stage, build=NEW, by="ada")] if stage == "production" else []),
        LaneState(
            lane=stage, title=f"{stage.capitalize()} on {endpoint.target}", state="done", build=NEW, seconds=30.0
        ),
        answering(staging(), endpoint if stage == "production" else absent("production")),
    ]


def validated(passed: bool = True, champion: str = OLD) -> list[Event]:
    state = LaneState(
        lane="validation", title="Validation", state="done" if passed else "failed", build=NEW, seconds=3.0
    )
    problem = [] if passed else [Problem(error=WORSE, source="validation")]
    return [Validated(verdict=verdict(passed, champion)), state, *problem]


def asked(word: str = "passed") -> ApprovalAsked:
    changes = (
        Change("create", "AKS cluster myaks", "3 x Standard_B4ms", cost="about 312 USD a month"),
        Change("create", "deployment green", "traffic 100 %", warning="all requests go to it"),
    )
    return ApprovalAsked(
        stage="production",
        build=NEW,
        image=image().id,
        changes=changes,
        cost="about 312 USD a month (estimate, prices of 2026-11-01)",
        verdict=word,  # type: ignore[arg-type]  # one of its words
        detail="3 of 3 checks" if word == "passed" else "it loses to the champion" if word else "never validated",
        command="mlops-tui deploy production --build 18 --approve",
    )


def rows(build: str = NEW, count: int = 3) -> RowsRead:
    each = [{"fixed acidity": 7.4 + number, "volatile acidity": 0.7, "pH": 3.51} for number in range(count)]
    return RowsRead(build=build, rows=tuple(each), target=tuple(5.0 + number for number in range(count)))


def predicted(stage: Stage = "staging", value: float = 5.2345, deployment: str = "") -> Predicted:
    return Predicted(
        stage=stage,
        rows=rows().rows[:1],
        predictions=(value,),
        milliseconds=12.6,
        build=NEW,
        deployment=deployment or ("wine-quality-aci" if stage == "staging" else "green"),
    )
