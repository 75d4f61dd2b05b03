"""An endpoint on trial, in words."""

from __future__ import annotations

from textual.content import Content

from mlops_tui.tui.state.delivery import TryOut
from mlops_tui.tui.words.deliveries import build_words
from mlops_tui.tui.words.labels import figure
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_SIGNS


def title_words(tried: TryOut) -> str:
    return f"Try {tried.stage}: {build_words(tried.build)}"


def rows_words(tried: TryOut) -> str:
    """What stands in the form."""
    if tried.rows:
        return f"Row {tried.place + 1} of {len(tried.rows)} of the kept test set. Change what you like, then Enter."
    if tried.reading:
        return "Reading real rows of the test set …"
    return "There are no rows to try it with." if tried.problem is None else "The rows could not be read."


def answered_text(tried: TryOut, edited: bool) -> Content:
    """The prediction, the truth beside it, how long it took, and who answered."""
    if tried.asking:
        return Content.styled(f"{STEP_SIGNS['running']} Asking {tried.stage} …", "$text-primary")
    answer = tried.predicted
    if answer is None or not answer.predictions:
        actual = f"The test set says {number_text(tried.actual)}." if tried.actual is not None else ""
        return Content.styled(actual, "$text-muted")
    predicted = answer.predictions[0]
    parts: list[Content] = [Content.assemble("Predicted ", (figure(predicted), "bold $text-success"))]
    if tried.actual is not None:
        off = f", off by {figure(abs(predicted - tried.actual))}" if not edited else ", before you changed the row"
        parts[0] = Content.assemble(parts[0], f" · actual {number_text(tried.actual)}{off}")
    who = f"Answered by {build_words(answer.build)}" if answer.build else "Answered"
    deployment = f" ({plain(answer.deployment)})" if answer.deployment else ""
    parts.append(Content.styled(f"{who}{deployment} in {answer.milliseconds:.0f} ms.", "$text-muted"))
    return Content("\n").join(parts)


def number_text(value: float | None) -> str:
    """Twelve digits: 0.99683, where a file of floats has kept 0.9968299999999999."""
    if value is None:
        return ""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.12g}"


def number_in(text: str) -> float | None:
    """What somebody has typed; a comma may stand for the point."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None
