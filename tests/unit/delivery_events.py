"""One of each event of delivery, as the stories of a front end need them."""

from __future__ import annotations

from mlops_tui import events
from mlops_tui.events import (
    Change,
    Check,
    Comparison,
    Deployment,
    Endpoint,
    Event,
    ModelImage,
    Verdict,
)

IMAGE_ID = f"mlops1a2b3c4d5e6f7.azurecr.io/winequality@sha256:{'0a' * 32}"
IMAGE = ModelImage(
    id=IMAGE_ID,
    build="17",
    source="AzureDevOps",
    run_id="r" * 32,
    model="winequality",
    version="3",
    metrics={"rmse": 0.7112, "mae": 0.5561, "r2": 0.2488},
    created=1.79e9,
    verdict="passed",
    verdict_at=1.79e9,
    approved_by="ada@example.com",
)
BLUE = Deployment("blue", IMAGE_ID, "16", 0, "Succeeded", "winequality", "2")
GREEN = Deployment("green", IMAGE_ID, "17", 100, "Succeeded", "winequality", "3")
ENDPOINTS = (
    Endpoint(
        "staging",
        "wine-quality-aci",
        "Azure Container Instances",
        "starting",
        state="Pending",
        url="http://wine-quality-aci-0a.westeurope.azurecontainer.io:5001/score",
        detail="the model is being loaded",
    ),
    Endpoint(
        "production",
        "wine-quality-aks",
        "Kubernetes online endpoint",
        "healthy",
        url="https://aks.example.com/score",
        build="17",
        image=IMAGE_ID,
        deployments=(BLUE, GREEN),
        previous="16",
    ),
)
VERDICT = Verdict(
    build="17",
    image=IMAGE_ID,
    stage="staging",
    passed=False,
    rows=320,
    checks=(
        Check("equals training", True, "rmse 0.7112, trained 0.7112, within 1e-06"),
        Check("champion", False, "rmse 0.7112, production 0.7001"),
    ),
    comparisons=(Comparison("rmse", 0.7112, 0.7112, 0.7001), Comparison("mae", 0.5561, None, 0.5432)),
    p50_ms=3.14,
    p95_ms=7.5,
    at=1.79e9,
    champion="16",
)
ASKED = events.ApprovalAsked(
    stage="production",
    build="17",
    image=IMAGE_ID,
    changes=(
        Change("create", "Kubernetes cluster myaks", "3 × Standard_B4ms", cost="about 508 USD a month (estimate)"),
    ),
    cost="about 508 USD a month (estimate, list prices of 2025-06-01)",
    verdict="passed",
    detail="the validation of build 17 passed.",
    command="mlops-tui deploy production --build 17 --approve",
)
PREDICTED = events.Predicted(
    stage="staging",
    rows=({"alcohol": 9.4, "pH": 3.51},),
    predictions=(5.4321,),
    milliseconds=4.2,
    build="17",
    deployment="green",
)
DELIVERY_EVENTS: tuple[Event, ...] = (
    events.LaneState(lane="image", title="Container image", state="running", build="17"),
    events.ImageReady(image=IMAGE, fresh=True),
    events.ImagesListed(images=(IMAGE,)),
    events.EndpointsRead(endpoints=ENDPOINTS),
    events.Validated(verdict=VERDICT),
    ASKED,
    events.Approved(stage="production", build="17", by="ada@example.com"),
    PREDICTED,
    events.RowsRead(build="17", rows=({"alcohol": 9.4, "pH": 3.51},), target=(5.0,)),
)
