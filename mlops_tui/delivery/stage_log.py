"""What the containers behind a stage print: as far as it is, or followed as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlops_tui.delivery import endpoints, names
from mlops_tui.errors import ConflictError, Interrupted, NotFoundError, UsageError
from mlops_tui.events import Level, LogLine, Stage
from mlops_tui.following.looks import News, Pace, look_until_end
from mlops_tui.following.outage import Followed, Outage
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.session import Session

TAIL = 1000  # lines asked for each time
LANDMARK = 3  # lines by which a place in a log is known again
EVERY, EVERY_LOCAL = 5.0, 0.5  # seconds between looks


@dataclass(frozen=True)
class Look:
    """What a stage's container has printed lately."""

    source: str  # the container or deployment that it is of
    lines: tuple[str, ...]  # whole ones
    rest: str = ""  # of a line that is still being printed
    restarts: int = 0
    detail: str = ""  # why it restarted, if somebody says so


def read(session: Session, emit: Emit, stage: Stage, follow: bool) -> str:
    """Raises UsageError where nothing is deployed; with `follow` goes on until it is told to stop."""
    first = _look(session, stage)
    if first is None:
        raise UsageError(f"Nothing is deployed to {stage} yet.", hint=f"Deploy an image: mlops-tui deploy {stage}")
    for line in first.lines:
        emit(LogLine(source=stage, text=line))
    if follow:
        Follower(session, emit, stage, first).follow()
    elif first.rest:
        emit(LogLine(source=stage, text=first.rest))
    return ""


class Follower:
    """Goes on from what was told already; used once."""

    def __init__(self, session: Session, emit: Emit, stage: Stage, first: Look) -> None:
        self._session = session
        self._emit = emit
        self._stage: Stage = stage
        self._last = first

    def follow(self) -> None:
        """Until the session is cancelled, or nothing answers any more. Raises UnreachableError, Interrupted."""
        local = bool(self._session.cloud.poll_seconds)
        every = EVERY_LOCAL if local else EVERY
        followed = Followed(
            "The cloud", f"the log of {self._stage}", "", f"mlops-tui logs {self._stage} --follow", local
        )
        outage = Outage(followed, lambda text, warning: self._say(text, "warning" if warning else "info"))
        look_until_end(self._look, Pace(every, every), outage, self._session.cancelled, self._left)

    def _look(self) -> News:
        look = _look(self._session, self._stage)
        if look is None:
            self._say(f"nothing is deployed to {self._stage} any more", "warning")
            return News.END
        self._tell(look)
        return News.NONE

    def _left(self) -> Interrupted:
        return Interrupted(
            f"Left the log of {self._stage}.", hint=f"Come back with `mlops-tui logs {self._stage} --follow`."
        )

    def _tell(self, look: Look) -> None:
        before = self._last
        # A log that cannot be read for the moment is none that begins anew.
        self._last = look if look.lines or look.source != before.source else replace(look, lines=before.lines)
        if look.source != before.source:
            self._say(f"from here on: {look.source}")
            before = Look(look.source, ())
        elif look.restarts > before.restarts:
            why = f": {look.detail}" if look.detail else ""
            self._say(f"{look.source} has restarted ({_times(look.restarts)} so far){why}", "warning")
        for line in newer(before.lines, look.lines):
            self._emit(LogLine(source=self._stage, text=line))

    def _say(self, text: str, level: Level = "info") -> None:
        self._emit(LogLine(source=self._stage, text=text, level=level))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def newer(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """The lines of `now` behind those of `before`, of which the first may have scrolled away.

    Azure ML puts a few lines about the instance in front, and changes them: then the last lines of before are looked
    for. What fits nowhere is all new: the container has begun a new log.
    """
    for start in range(len(before)):
        known = len(before) - start
        if known <= len(now) and list(now[:known]) == list(before[start:]):
            return now[known:]
    last = list(before[-LANDMARK:])
    for end in range(len(now), len(last) - 1, -1) if len(last) == LANDMARK else ():
        if list(now[end - LANDMARK : end]) == last:
            return now[end:]
    return now


def _look(session: Session, stage: Stage) -> Look | None:
    """None where nothing is deployed."""
    if names.target(session.project, stage) == names.ACI:
        return _of_container_group(session, stage)
    return _of_online_endpoint(session, stage)


def _printed(ask: Callable[[], str]) -> str:
    """Nothing yet where the container is still to be made, or is being replaced."""
    try:
        return ask()
    except (NotFoundError, ConflictError):
        return ""


def _of_container_group(session: Session, stage: Stage) -> Look | None:
    groups, group_id = session.clients.container_groups, names.container_group_id(session, stage)
    group = groups.get(group_id)
    if group is None:
        return None
    if not group.containers:
        return Look(group.name, ())
    container = group.containers[0]
    printed = _printed(lambda: groups.logs(group_id, container.name, TAIL))
    code = "" if container.exit_code is None else f"it ended with exit code {container.exit_code}"
    return _cut(group.name, printed, container.restarts, code)


def _of_online_endpoint(session: Session, stage: Stage) -> Look | None:
    """Of the deployment that has the traffic; before one has it, of the one that is being made."""
    online, workspace = session.clients.online_endpoints, names.ml_workspace_id(session)
    service = names.service_name(session.project, stage)
    endpoint = online.get(workspace, service)
    if endpoint is None:
        return None
    behind = online.deployments(workspace, service)
    name = max(endpoint.traffic, key=lambda one: endpoint.traffic[one], default="")
    if not endpoint.traffic.get(name):
        making = [one.name for one in behind if one.state.lower() in endpoints.UNDER_WAY]
        name = (making or [one.name for one in behind] or [""])[0]
    if not name:
        return Look(service, ())
    return _cut(name, _printed(lambda: online.logs(workspace, service, name, TAIL)))


def _cut(source: str, printed: str, restarts: int = 0, detail: str = "") -> Look:
    *whole, rest = printed.split("\n")
    return Look(source, tuple(line.rstrip("\r") for line in whole), rest, restarts, detail)
