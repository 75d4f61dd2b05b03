"""What can be told of a lane: its line, and in full its image, endpoint, verdict or approval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.cells import cell_len
from textual.content import Content

from mlops_tui.events import Deployment, Endpoint, Health, Lane, ModelImage
from mlops_tui.tui.state.delivery import AT_WORK, DeliveryState, LaneRow
from mlops_tui.tui.state.lanes import approver, lane_row
from mlops_tui.tui.words.builds import when
from mlops_tui.tui.words.deliveries import LANE_TITLES, end_of
from mlops_tui.tui.words.labels import duration, figure, metric_title
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_COLOURS, STEP_SIGNS
from mlops_tui.tui.words.verdicts import FOUND, VERDICT_COLOURS, VERDICT_SIGNS, found_text, verdict_text

TITLE, STATE, TIME = 10, 8, 6  # cells of a lane's line
TRAFFIC_BUILD = 20  # cells
WELL = ("succeeded", "running")  # states that need no mention
LABEL = 11  # cells
SHORT_DIGEST = 19  # characters: sha256: and twelve
BAR = 10  # cells of a whole endpoint's traffic
HEALTH_SIGNS: Mapping[Health, tuple[str, str]] = {  # with a variable of the theme
    "healthy": (STEP_SIGNS["done"], "success"),
    "starting": (STEP_SIGNS["checking"], "primary"),
    "unhealthy": (STEP_SIGNS["failed"], "error"),
    "absent": (STEP_SIGNS["waiting"], "text-muted"),
}
ABOUT: Mapping[Lane, str] = {
    "image": "A container image of the build's best model: the same file answers in every stage.",
    "staging": "A small container to try the model in, before anybody relies on it.",
    "validation": "The build's kept test set goes to staging: does it answer as it was trained, and better than what "
    "is in production?",
    "approval": "Production costs money and people rely on it: somebody has to say yes.",
    "production": "Where it answers for real: the new model comes beside the old one, then the traffic goes over.",
}
HOW: Mapping[Lane, str] = {
    "image": "Press b to build it.",
    "staging": "Press d to deploy the build there.",
    "validation": "Press v to measure it.",
    "approval": "Press a to see what would change, what it would cost, and the verdict.",
    "production": "Press a to approve and deploy.",
}
Fact = tuple[str, str | Content]


def lane_line(row: LaneRow, sign: str, now: float, room: int = 0) -> Content:
    """✔ Staging    done       3:07  17  healthy, with that much `room` for the build"""
    colour = f"${STEP_COLOURS[row.state]}"
    build = f"{end_of(plain(row.build), room):<{room}}" if room else ""
    took = duration(row.elapsed(now)) if row.lane != "approval" else ""  # a yes takes no time
    return Content.assemble(
        (f"{sign} ", colour),
        f"{LANE_TITLES[row.lane]:<{TITLE}} ",
        (f"{row.state:<{STATE}}", colour),
        f"{took:>{TIME}} ",
        f" {build}  " if build else " ",
        plain(row.detail),
    )


def lane_text(state: DeliveryState, lane: Lane) -> Content:
    """All that is known of the lane, for the build that is looked at."""
    row, image = lane_row(state, lane), state.image_of(state.build)
    endpoint = state.endpoints.get("staging" if lane == "staging" else "production")
    verdict = state.verdicts.get(state.build)
    if lane == "image" and image is not None:
        return _facts(_of_image(image))
    if lane in ("staging", "production") and endpoint is not None and endpoint.health != "absent":
        return endpoint_card(endpoint)
    if lane == "validation" and verdict is not None:
        return verdict_text(verdict)
    if lane in ("validation", "approval") and image is not None and (image.verdict or image.approved_by):
        return _kept_verdict(image)
    how = f" {HOW[lane]}" if row.state not in AT_WORK else ""
    return Content.styled(f"{ABOUT[lane]}{how}", "$text-muted")


def endpoint_card(endpoint: Endpoint) -> Content:
    """Where it answers, how it is, and which build gets how much of the traffic."""
    sign, colour = HEALTH_SIGNS[endpoint.health]
    state = plain(endpoint.state)
    previous = f"build {plain(endpoint.previous)} (u brings it back)" if endpoint.previous else "none"
    return _facts(
        [
            ("endpoint", f"{plain(endpoint.name)}, {plain(endpoint.target)}"),
            ("health", Content.assemble((f"{sign} {endpoint.health}", f"${colour}"), f" ({state})" if state else "")),
            ("", plain(endpoint.detail)),
            ("url", plain(endpoint.url)),
            (" ", Content.styled("y copies it, k the key that it asks for", "$text-muted")),
            ("build", plain(endpoint.build)),
            *_labelled("traffic", [_traffic(each, endpoint.deployments) for each in endpoint.deployments]),
            ("before it", previous),
            ("page", "o opens it in the browser" if endpoint.page else ""),
        ]
    )


def answering_text(state: DeliveryState, build: str) -> str:
    """What became of a build, in a few words: "image 3, passed, in staging and production"; empty: nothing yet."""
    image = state.image_of(build)
    if image is None:
        return ""
    stages = state.stages_of(build)
    verdict = f"{VERDICT_SIGNS[image.verdict]} {image.verdict}" if image.verdict else "not validated"
    where = f"answers in {' and '.join(stages)}" if stages else "answers nowhere"
    return f"image {plain(image.model)} {plain(image.version)}, {verdict}, {where}"


def delivered_word(state: DeliveryState, build: str) -> str:
    """How far a build has come, for a column of ten cells."""
    stages, image = state.stages_of(build), state.image_of(build)
    if stages:
        return stages[-1]
    if image is None:
        return ""
    return f"{VERDICT_SIGNS[image.verdict]} {image.verdict}" if image.verdict else "image"


def short_id(image: str) -> str:
    """name@sha256:0123456789ab…"""
    name, at, digest = plain(image).rpartition("/")[2].rpartition("@")
    return f"{name}{at}{digest[:SHORT_DIGEST]}…" if len(digest) > SHORT_DIGEST else f"{name}{at}{digest}"


def _of_image(image: ModelImage) -> list[Fact]:
    metrics = ", ".join(f"{metric_title(name)} {figure(value)}" for name, value in image.metrics.items())
    return [
        ("image", f"{short_id(image.id)}  (y copies all of it)"),
        ("registry", plain(image.id).rpartition("/")[0]),
        ("model", f"{plain(image.model)}, version {plain(image.version)}"),
        ("build", f"{plain(image.build)}{f' by {plain(image.source)}' if image.source else ''}"),
        ("metrics", metrics),
        ("made", when(image.created)),
        ("MLflow run", plain(image.run_id)),
        ("page", "o opens it in the browser" if image.url else ""),
    ]


def _kept_verdict(image: ModelImage) -> Content:
    """As the model's tags have it: the table of figures is known in the sitting that has measured it."""
    moment = f", {when(image.verdict_at)}" if image.verdict_at else ""
    word = image.verdict or "none yet"
    style = f"${VERDICT_COLOURS[image.verdict]}" if image.verdict else ""
    sign = f"{VERDICT_SIGNS[image.verdict]} " if image.verdict else ""
    facts = _facts(
        [
            ("verdict", Content.assemble((f"{sign}{word}", style), moment)),
            ("approved", f"by {plain(approver(image))}" if image.approved_by else "not yet"),
            (" ", Content.styled("v measures it again, and shows the metrics side by side.", "$text-muted")),
        ]
    )
    if not image.verdict_detail:
        return facts
    return Content("\n").join([facts, Content(""), Content.styled(FOUND, "$text-muted"), found_text(image)])


def _traffic(deployment: Deployment, all_of_them: Iterable[Deployment]) -> str:
    """blue   ██████████ 100 %  17"""
    names = [plain(each.name) for each in all_of_them]
    name = plain(deployment.name) if len(names) > 1 else ""  # one alone is named as its endpoint
    padded = f"{name}{' ' * (max(map(cell_len, names)) - cell_len(name))} " if name else ""
    full = round(BAR * min(max(deployment.traffic, 0), 100) / 100)
    state = "" if deployment.state.lower() in WELL else f"  {plain(deployment.state)}"
    bar = f"{'█' * full}{'░' * (BAR - full)} {deployment.traffic:>3} %"
    return f"{padded}{bar}  {end_of(plain(deployment.build), TRAFFIC_BUILD)}{state}"


def _labelled(label: str, values: Iterable[str]) -> list[Fact]:
    """The label stands beside the first one."""
    return [(label if number == 0 else " ", value) for number, value in enumerate(values)]


def _facts(facts: Iterable[Fact]) -> Content:
    lines = [
        Content.assemble((f"{label:<{LABEL}} ", "$text-muted"), value) for label, value in facts if f"{value}".strip()
    ]
    return Content("\n").join(lines)
