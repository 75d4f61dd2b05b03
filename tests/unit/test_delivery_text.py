"""How delivery reads as plain text: sentences that can be read aloud, within 80 columns."""

from __future__ import annotations

import io
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_tui import events
from mlops_tui.errors import UsageError
from mlops_tui.events import Event, RunResult
from mlops_tui.headless.out_files import OutFiles, read_image
from mlops_tui.headless.text import PlainText
from tests.unit.delivery_events import ASKED, DELIVERY_EVENTS, ENDPOINTS, IMAGE, IMAGE_ID, PREDICTED, VERDICT


def printed(*shown: Event) -> list[str]:
    out = io.StringIO()
    reporter = PlainText(out, out)
    for event in shown:
        reporter.show(event)
    return out.getvalue().splitlines()


def test_a_lane_says_when_it_begins_and_how_it_ended() -> None:
    lane = events.LaneState(lane="staging", title="Staging on Azure Container Instances", state="running", build="17")
    done = replace(lane, state="done", detail="answers with build 17", seconds=12.34)
    failed = replace(lane, state="failed", detail="the image is lost: " + "its registry " * 20, seconds=2.0)
    assert printed(lane, done, failed, replace(lane, state="waiting")) == [
        "[running] Staging on Azure Container Instances  build 17",
        "[done] Staging on Azure Container Instances  answers with build 17  12.3 s",
        f"[failed] Staging on Azure Container Instances  the image is lost: {'its registry ' * 4}its…  2.0 s",
    ]


def test_endpoints_say_health_url_traffic_and_what_a_rollback_brings_back() -> None:
    lines = printed(events.EndpointsRead(endpoints=ENDPOINTS))
    assert lines[0] == ("Staging: starting (the model is being loaded) · Azure Container Instances wine-quality-aci")
    assert "Production: healthy, build 17 · Kubernetes online endpoint wine-quality-aks" in lines
    assert "  Traffic   100 % to green: build 17, winequality version 3, Succeeded" in lines
    assert "  Rollback  mlops-tui rollback production brings back build 16" in lines


def test_a_verdict_says_each_answer_and_puts_the_metrics_side_by_side() -> None:
    lines = printed(events.Validated(verdict=VERDICT))
    assert lines[0] == "Validation of build 17 in staging: failed, 320 rows"
    assert lines[1] == "  passed  equals training: rmse 0.7112, trained 0.7112, within 1e-06"
    assert lines[2] == "  failed  champion: rmse 0.7112, production 0.7001"
    assert lines[3].split() == ["Metric", "Trained", "Served", "Production", "(build", "16)"]
    assert lines[4].split() == ["RMSE", "0.7112", "0.7112", "0.7001"]
    assert lines[5].split() == ["MAE", "0.5561", "–", "0.5432"]
    assert lines[6] == "Answers within 3.1 ms (half of them), 7.5 ms (95 of 100)."
    assert "Production" not in printed(events.Validated(verdict=replace(VERDICT, champion="")))[3]
    assert all(len(line) <= 80 for line in lines)


def test_an_approval_says_what_changes_what_it_costs_and_how_to_say_yes() -> None:
    lines = printed(ASKED)
    assert lines == [
        "Build 17 is to go into production",
        "    + create  Kubernetes cluster myaks  (3 × Standard_B4ms)",
        "      costs: about 508 USD a month (estimate)",
        "  Cost        about 508 USD a month (estimate, list prices of 2025-06-01)",
        "  Validation  passed: the validation of build 17 passed.",
        "  To approve  mlops-tui deploy production --build 17 --approve",
    ]


def test_images_and_predictions_are_a_line_each() -> None:
    header, row = printed(events.ImagesListed(images=(IMAGE,)))
    assert header.split() == ["Build", "Version", "RMSE", "MAE", "R2", "Verdict", "Made", "Approved", "by"]
    assert row.split()[:6] == ["17", "3", "0.7112", "0.5561", "0.2488", "passed"]
    assert row.endswith("ada@example.com")
    long = printed(events.ImagesListed(images=(replace(IMAGE, build="refs/heads/" + "x" * 200),)))[1]
    assert long.split()[:3] == ["refs/heads/" + "x" * 20 + "…", "3", "0.7112"], "the other columns stay in sight"
    assert printed(events.ImagesListed(images=())) == ["No images yet. Make one with `mlops-tui build`."]
    assert printed(PREDICTED) == [
        "1 prediction from staging by build 17 (green) in 4.2 ms",
        "  5.4321  for  alcohol=9.4  pH=3.51",
    ]


def test_the_next_stage_of_a_pipeline_finds_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    files = OutFiles(tmp_path / "out")
    best = RunResult("b", {"alpha": 0.1}, "succeeded", {"rmse": 0.71}, best=True, run_id="r1", build="17")
    files.keep(events.RunsCompared(build="17", results=(best,), best="b", gate="rmse < 0.8", passed=True))
    for event in DELIVERY_EVENTS:
        files.keep(event)
    written = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert [str(path.relative_to(tmp_path / "out")) for path in written] == [
        "metadata/image.json",
        "metrics.json",
        "verdict.json",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    image, metrics, verdict = (json.loads(path.read_text()) for path in written)
    assert image == {
        "model_image_id": IMAGE_ID,
        "build_number": "17",
        "build_source": "AzureDevOps",
        "run_id": "r" * 32,
        "model": "winequality",
        "version": "3",
        "metrics": IMAGE.metrics,
    }
    assert (metrics["run_id"], metrics["metrics"], metrics["runs"][0]["name"]) == ("r1", {"rmse": 0.71}, "b")
    assert (verdict["passed"], verdict["champion"]) == (False, "16")


def test_a_build_that_was_trained_elsewhere_leaves_its_metrics_too(tmp_path: Path) -> None:
    files = OutFiles(tmp_path)
    files.keep(events.ImageReady(image=IMAGE, fresh=False))
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"] == IMAGE.metrics


def test_the_table_that_the_training_has_left_stays_when_its_image_is_built(tmp_path: Path) -> None:
    best = RunResult("b", {}, "succeeded", {"rmse": 0.71}, best=True, run_id=IMAGE.run_id, build="17")
    OutFiles(tmp_path).keep(events.RunsCompared(build="17", results=(best,), best="b", gate="", passed=True))
    OutFiles(tmp_path).keep(events.ImageReady(image=IMAGE, fresh=True))
    assert json.loads((tmp_path / "metrics.json").read_text())["best"] == "b"
    other = replace(IMAGE, build="18")
    OutFiles(tmp_path).keep(events.ImageReady(image=other, fresh=True))
    assert json.loads((tmp_path / "metrics.json").read_text())["build_number"] == "18"


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_begun(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"):
        OutFiles(tmp_path / "taken")


def test_an_image_is_named_by_its_id_or_by_the_file_of_the_stage_before(tmp_path: Path) -> None:
    OutFiles(tmp_path).keep(events.ImageReady(image=IMAGE, fresh=True))
    assert read_image(IMAGE_ID) == IMAGE_ID
    assert read_image(str(tmp_path / "metadata" / "image.json")) == IMAGE_ID
    assert read_image(str(tmp_path)) == IMAGE_ID, "the folder of --out will do"
    (tmp_path / "null.json").write_text('{"model_image_id": null}')
    assert read_image(str(tmp_path / "null.json")) == "None", "which names no image, and is refused as such"
    for name, text in (("missing.json", None), ("broken.json", "{")):
        if text:
            (tmp_path / name).write_text(text)
        with pytest.raises(UsageError, match=f"{name} cannot be read"):
            read_image(str(tmp_path / name))
