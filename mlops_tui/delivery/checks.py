"""What a validation asks of the answers that a stage gave on the kept test set; pure, it calls nobody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.delivery import names
from mlops_tui.delivery.kept_rows import KeptRows
from mlops_tui.delivery.measures import close, furthest, measure, percentile
from mlops_tui.events import Check, Comparison

if TYPE_CHECKING:
    from mlops_tui.project import Project

Figures = tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """What was asked and answered."""

    image: str  # that is to be validated
    served_image: str  # that the stage runs
    kept: KeptRows
    trained: Mapping[str, float]  # metrics, as the training has measured them
    served: Figures  # the stage's predictions
    single_ms: Figures = ()  # how long one row took, each time
    champion: Figures | None = None  # production's predictions on the very same rows
    champion_build: str = ""
    no_champion: str = "production answers nothing yet"  # why there is nobody to compare with

    def measured(self, metric: str, predictions: Figures | None) -> float | None:
        return None if predictions is None else measure(metric, self.kept.target, predictions)


def judge(evidence: Evidence, project: Project) -> tuple[Check, ...]:
    """Every question with its answer, in the order in which people ask them."""
    return (
        _image(evidence),
        _answers(evidence),
        _predictions(evidence, project.delivery.tolerance),
        _metrics(evidence, project),
        _gate(evidence, project),
        _champion(evidence, project),
        _latency(evidence),
    )


def compare(evidence: Evidence, project: Project) -> tuple[Comparison, ...]:
    """The project's metrics, side by side."""
    return tuple(
        Comparison(
            metric,
            _told(evidence.trained.get(metric)),
            _told(evidence.measured(metric, evidence.served)),
            _told(evidence.measured(metric, evidence.champion)),
        )
        for metric in project.training.metrics
    )


def _told(figure: float | None) -> float | None:
    """As an event carries it: JSON has no word for what is no number."""
    return figure if figure is not None and math.isfinite(figure) else None


def _image(evidence: Evidence) -> Check:
    same = evidence.image == evidence.served_image
    short = names.short_image(evidence.image)
    detail = short if same else f"it runs {names.short_image(evidence.served_image) or 'nothing'}, not {short}"
    return Check("image", same, detail)


def _answers(evidence: Evidence) -> Check:
    odd = sum(not math.isfinite(one) for one in evidence.served)
    rows = len(evidence.kept.rows)
    if odd:
        return Check("answers", False, f"{odd} of {rows} predictions are no finite numbers")
    return Check("answers", True, f"{rows} rows, a number for each")


def _predictions(evidence: Evidence, tolerance: float) -> Check:
    kept = evidence.kept.predicted
    apart = furthest(evidence.served, kept)
    differing = sum(not close(one, other, tolerance) for one, other in zip(evidence.served, kept, strict=True))
    if differing:
        detail = f"{differing} of {len(kept)} differ from training's, by up to {apart:.6g} (tolerance {tolerance:g})"
        return Check("predictions", False, detail)
    return Check("predictions", True, f"equal training's, within {tolerance:g}")


def _metrics(evidence: Evidence, project: Project) -> Check:
    tolerance = project.delivery.tolerance
    compared, wrong = [], []
    for metric in project.training.metrics:
        served, trained = evidence.measured(metric, evidence.served), evidence.trained.get(metric)
        if served is None or trained is None:
            continue
        text = f"{metric} {served:.4f}, trained {trained:.4f}"
        compared.append(text)
        if not close(served, trained, tolerance):
            wrong.append(f"{text}, apart by {abs(served - trained):.6g}")
    if wrong:
        return Check("equals training", False, f"{'; '.join(wrong)} (tolerance {tolerance:g})")
    if not compared:
        return Check("equals training", True, "none of the metrics can be measured here; the predictions were compared")
    return Check("equals training", True, f"{'; '.join(compared)}, within {tolerance:g}")


def _gate(evidence: Evidence, project: Project) -> Check:
    gate = project.training.gate
    measured = evidence.measured(gate.metric, evidence.served)
    value = evidence.trained.get(gate.metric) if measured is None else measured
    if value is None:
        return Check("gate", False, f"{gate.metric} is neither measured here nor known from training")
    where = "trained" if measured is None else "served"
    passed = math.isfinite(value) and bool(gate.passes({gate.metric: value}))
    missed = "" if passed else f", missed by {abs(value - gate.threshold):.6g}"
    return Check("gate", passed, f"{where} {gate.metric} {value:.4f}, wanted {gate}{missed}")


def _champion(evidence: Evidence, project: Project) -> Check:
    training = project.training
    metric, tolerance = training.best_metric, project.delivery.tolerance
    if evidence.champion is None:
        return Check("champion", True, f"none to beat: {evidence.no_champion}")
    ours, theirs = evidence.measured(metric, evidence.served), evidence.measured(metric, evidence.champion)
    if ours is None or theirs is None:
        return Check("champion", True, f"not compared: {metric} cannot be measured here")
    about = f"{metric} {ours:.4f}, production's build {evidence.champion_build or '?'} {theirs:.4f} on the same rows"
    if math.isnan(theirs):
        return Check("champion", True, f"{about}: production does not answer every row with a number")
    ahead = theirs - ours if training.best_is == "lowest" else ours - theirs
    if ahead >= 0 or close(ours, theirs, tolerance):
        return Check("champion", True, about)
    return Check("champion", False, f"{about}: worse by {abs(ahead):.6g}")


def _latency(evidence: Evidence) -> Check:
    """Noted, not judged: how fast is fast enough, nobody has said."""
    if not evidence.single_ms:
        return Check("latency", True, "not measured")
    p50, p95 = percentile(evidence.single_ms, 50), percentile(evidence.single_ms, 95)
    return Check("latency", True, f"p50 {p50:.1f} ms, p95 {p95:.1f} ms over {len(evidence.single_ms)} single rows")
