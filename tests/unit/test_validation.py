"""The verdict on a stage: which questions are asked, and by how much an answer misses."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from mlops_tui.delivery.checks import Evidence, compare, judge
from mlops_tui.delivery.kept_rows import KeptRows, fitted, given, numbers, parse
from mlops_tui.delivery.stage_log import newer
from mlops_tui.delivery.versions import metrics
from mlops_tui.errors import UsageError
from mlops_tui.events import Check
from mlops_tui.project import Gate, Project, Training

IMAGE = f"acr.azurecr.io/winequality@sha256:{'a' * 64}"
OTHER = f"acr.azurecr.io/winequality@sha256:{'b' * 64}"
TABLE = b"alcohol,ash,quality\n9.4,3,5\n10.0,4,6\n11.2,5,7\n"
PREDICTIONS = json.dumps({"columns": ["quality", "prediction"], "data": [[5, 5.5], [6, 6.0], [7, 6.5]]}).encode()
PROJECT = Project()


def kept() -> KeptRows:
    return parse(TABLE, PREDICTIONS)


def evidence(**changes: object) -> Evidence:
    rmse, mae, r2 = math.sqrt(0.5 / 3), 1 / 3, 0.75
    good = Evidence(
        image=IMAGE,
        served_image=IMAGE,
        kept=kept(),
        trained={"rmse": rmse, "mae": mae, "r2": r2},
        served=(5.5, 6.0, 6.5),
        single_ms=(1.0, 2.0, 3.0),
    )
    return replace(good, **changes)  # type: ignore[arg-type]  # as given


def failed(found: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.detail for check in found if not check.passed}


def test_a_stage_that_answers_as_training_did_passes_every_question() -> None:
    found = judge(evidence(), PROJECT)
    assert failed(found) == {}
    assert [check.name for check in found] == [
        "image",
        "answers",
        "predictions",
        "equals training",
        "gate",
        "champion",
        "latency",
    ]
    details = {check.name: check.detail for check in found}
    assert "rmse 0.4082, trained 0.4082" in details["equals training"]
    assert details["champion"].startswith("none to beat: production answers nothing yet")
    assert "p50 2.0 ms" in details["latency"]


def test_answers_beside_training_s_fail_by_how_much() -> None:
    wrong = failed(judge(evidence(served=(5.5, 6.0, 7.5)), PROJECT))
    assert wrong["predictions"] == "1 of 3 differ from training's, by up to 1 (tolerance 1e-06)"
    assert set(wrong) == {"predictions"}, "errors that cancel out in every metric are found all the same"
    missed = failed(judge(evidence(served=(5.5, 6.0, 9.5)), PROJECT))
    assert "rmse 1.4720, trained 0.4082, apart by 1.06" in missed["equals training"]
    assert missed["gate"] == "served rmse 1.4720, wanted rmse < 0.8, missed by 0.67196"


def test_no_number_where_one_must_be_fails() -> None:
    wrong = failed(judge(evidence(served=(5.5, math.nan, 6.5)), PROJECT))
    assert wrong["answers"] == "1 of 3 predictions are no finite numbers"
    assert {"predictions", "equals training", "gate"} <= set(wrong)
    assert {one.served for one in compare(evidence(served=(5.5, math.nan, 6.5)), PROJECT)} == {None}


def test_another_image_behind_the_same_name_is_noticed() -> None:
    wrong = failed(judge(evidence(served_image=OTHER), PROJECT))
    assert wrong == {"image": f"it runs winequality@sha256:{'b' * 12}, not winequality@sha256:{'a' * 12}"}


def test_a_champion_that_is_better_on_the_same_rows_is_not_thrown_out() -> None:
    better = evidence(champion=(5.0, 6.0, 7.0), champion_build="16")
    wrong = failed(judge(better, PROJECT))
    assert wrong == {
        "champion": "rmse 0.4082, production's build 16 0.0000 on the same rows: worse by 0.408248",
    }
    assert [one.champion for one in compare(better, PROJECT)] == [0.0, 0.0, 1.0]
    assert failed(judge(evidence(champion=(4.0, 6.0, 8.0), champion_build="16"), PROJECT)) == {}
    assert failed(judge(evidence(champion=(5.5, 6.0, 6.5), champion_build="16"), PROJECT)) == {}, "as good is enough"


def test_highest_is_best_where_the_project_says_so() -> None:
    project = Project(training=Training(best_metric="r2", best_is="highest", gate=Gate("r2", ">", 0.5)))
    assert failed(judge(evidence(champion=(4.0, 6.0, 8.0)), project)) == {}
    assert set(failed(judge(evidence(champion=(5.0, 6.0, 7.0)), project))) == {"champion"}


def test_a_metric_that_cannot_be_measured_here_is_taken_from_training() -> None:
    project = Project(training=Training(metrics=("auc",), best_metric="auc", gate=Gate("auc", ">", 0.8)))
    found = judge(evidence(trained={"auc": 0.9}, champion=(5.0, 6.0, 7.0)), project)
    assert failed(found) == {}
    details = {check.name: check.detail for check in found}
    assert details["gate"] == "trained auc 0.9000, wanted auc > 0.8"
    assert details["champion"].startswith("not compared: auc cannot be measured here")
    assert set(failed(judge(evidence(trained={}), project))) == {"gate"}


def test_metrics_are_read_from_tags_and_odd_ones_left_out() -> None:
    assert metrics({"metric_rmse": "0.5", "metric_note": "fine", "build_number": "7"}) == {"rmse": 0.5}


def test_a_kept_test_set_goes_with_its_predictions() -> None:
    found = kept()
    assert found.columns == ("alcohol", "ash")
    assert found.rows[0] == {"alcohol": 9.4, "ash": 3}
    assert found.target_name == "quality"
    assert found.target == (5.0, 6.0, 7.0)
    assert found.predicted == (5.5, 6.0, 6.5)


@pytest.mark.parametrize(
    ("table", "predictions", "said"),
    [
        (b"alcohol\n9.4\n", PREDICTIONS, "no column 'quality'"),
        (b"alcohol,quality\n9.4,5\n", PREDICTIONS, "are not those of"),
        (TABLE, b"[]", "no table"),
        (TABLE, b'{"columns": ["a", "b"], "data": []}', "no table with a column 'prediction'"),
        (TABLE, b'{"columns": ["quality", "prediction"], "data": [["good", 5]]}', "'good' is no number"),
        (TABLE, b"<html>", "Expecting value"),
    ],
)
def test_what_is_no_kept_test_set_is_refused(table: bytes, predictions: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(table, predictions)


@pytest.mark.parametrize(
    "text",
    [
        '[{"alcohol": 9, "ash": 3}, {"ash": 4, "alcohol": 10.5}]',
        '{"alcohol": 9, "ash": 3.0}\n\n{"alcohol": 10.5, "ash": 4}\n',
        "alcohol,ash\n9,3\n10.5,4\n",
        "quality; alcohol;ash\n5;9;3\n6;10.5;4\n",
    ],
    ids=["JSON", "JSON lines", "CSV", "CSV with the target"],
)
def test_rows_come_in_every_usual_form_and_go_as_the_model_learned_them(text: str) -> None:
    rows = fitted(given(text), kept())
    assert rows == [{"alcohol": 9.0, "ash": 3}, {"alcohol": 10.5, "ash": 4}]
    assert [list(row) for row in rows] == [["alcohol", "ash"]] * 2
    assert isinstance(rows[0]["alcohol"], float), "a model of fractions takes no whole numbers"
    assert isinstance(rows[0]["ash"], int), "and one of whole numbers no fractions"
    assert numbers(rows[0]) == {"alcohol": 9.0, "ash": 3.0}


def test_columns_that_are_missing_or_unknown_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        fitted(given('[{"alcool": 9.4, "ash": "three"}]'), kept())
    assert caught.value.problems == (
        "row 1: 'alcool' is no column of it; did you mean 'alcohol'?",
        "row 1: 'alcohol' is missing",
        "row 1: 'ash' must be a number, not 'three'",
    )
    assert "alcohol, ash" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rows"),
        ("[]", "no rows"),
        ("[1]", "row 1 is no object"),
        ('[{"alcohol": true}]', "neither a number nor text"),
        ('[{"alcohol": 1', "cannot be read"),
        ('{"alcohol": 1}\n{"alcohol" 2}', "line 2"),
        ("alcohol,ash\n1\n", "line 2 has another number of values"),
    ],
)
def test_what_is_no_rows_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        given(text)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        fitted(given('[{"alcohol": NaN, "ash": 3}]'), kept())
    assert caught.value.problems == ("row 1: 'alcohol' must be a number, not nan",)


def test_each_line_of_a_log_is_told_once() -> None:
    assert newer(["a", "b"], ["a", "b", "c"]) == ["c"]
    assert newer(["a", "b", "c"], ["b", "c", "d"]) == ["d"], "the first has scrolled away"
    assert newer(["a", "a"], ["a", "a", "a"]) == ["a"]
    assert newer(["a", "b"], ["x"]) == ["x"], "a new container's log"
    assert newer([], ["a"]) == ["a"]
    about = ["Instance status:", "Pulled"]
    assert newer([*about, "a", "b", "c"], [*about, "Started", "a", "b", "c", "d"]) == ["d"], "other lines in front"
    assert newer(["a"], ["a"]) == []
