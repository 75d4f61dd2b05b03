"""Images run: a container answers at its port, is started again when it dies, and lives and dies with the sandbox."""

from __future__ import annotations

import errno
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_tui.sandbox.container_keeper import Keeper
from mlops_tui.sandbox.container_log import LIMIT, ContainerLog
from mlops_tui.sandbox.container_processes import Nursery
from mlops_tui.sandbox.container_state import Container
from mlops_tui.sandbox.containers import Containers
from mlops_tui.sandbox.images import Image
from mlops_tui.sandbox.notebooks.processes import forking_is_safe
from mlops_tui.sandbox.sandbox import Sandbox
from tests.contract.container_images import ask, eventually, image

SECRET = "key-of-the-endpoint"


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Containers]:
    """A sandbox with nothing but containers, whose pauses are short."""
    monkeypatch.setattr(Keeper, "first_pause", 0.1)
    service = opened(tmp_path)
    yield service
    closed(service)


@pytest.fixture
def served(tmp_path: Path) -> Image:
    return image(tmp_path / "image")


def opened(folder: Path) -> Containers:
    service = Containers(Sandbox(folder / "sandbox", "https://localhost:1"))
    service.start()
    return service


def closed(service: Containers) -> None:
    service.stop()
    service.sandbox.requests.close()
    service.store.close()


def now(containers: Containers, name: str = "api") -> Container:
    found = containers.look(name)
    assert found is not None
    return found


def ready(containers: Containers, name: str = "api") -> Container:
    eventually(lambda: now(containers, name).ready)
    return now(containers, name)


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        stat_file = Path(f"/proc/{pid}/stat")  # a zombie has ended, too (Linux)
        return not (stat_file.exists() and stat_file.read_text().rpartition(")")[2].split()[0] == "Z")
    return False


def test_a_container_answers_at_its_port_with_its_own_environment(
    containers: Containers, served: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_SANDBOX", "not for containers")
    began = time.monotonic()
    containers.run("api", served, {"SCORING_KEY": SECRET})
    assert time.monotonic() - began < 0.2
    assert now(containers).status == "waiting"
    container = ready(containers)
    assert (container.status, container.restarts, container.exit_code) == ("running", 0, None)
    said = json.loads(ask(container.port))
    assert said["umask"] == 0o077
    environment = said["environment"]
    assert environment["SCORING_KEY"] == SECRET
    assert environment["UVICORN_HOST"] == "127.0.0.1"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert "OF_THE_SANDBOX" not in environment
    assert [event.name for event in container.events] == ["Pulling", "Pulled", "Created", "Started"]


def test_what_it_prints_can_be_read_line_by_line(containers: Containers, served: Image, tmp_path: Path) -> None:
    containers.run("api", served, {})
    ask(ready(containers).port)
    eventually(lambda: "asked for /score" in containers.logs("api"))
    lines = containers.logs("api").splitlines()
    assert lines[0] == "loading"
    assert containers.logs("api", tail=2) == "\n".join(lines[-2:]) + "\n"
    assert containers.logs("api", tail=0) == ""
    assert containers.logs("api", tail=1, timestamps=True).split(" ")[0].startswith("20")
    files = [path for path in (tmp_path / "sandbox" / "containers").rglob("*") if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_killed_container_is_started_again_at_the_same_port(containers: Containers, served: Image) -> None:
    containers.run("api", served, {})
    before = ready(containers)
    os.kill(json.loads(ask(before.port))["pid"], signal.SIGKILL)
    eventually(lambda: now(containers).restarts == 1)
    after = ready(containers)
    assert after.port == before.port
    assert after.previous is not None
    assert (after.previous.exit_code, after.previous.detail) == (137, "Error")
    assert after.previous.started_at == before.started_at
    assert json.loads(ask(after.port))["pid"]
    started = next(event for event in after.events if event.name == "Started")
    assert started.count == 2


def test_one_that_cannot_start_waits_longer_each_time(containers: Containers, served: Image) -> None:
    containers.run("api", served, {"BROKEN": "yes"})
    eventually(lambda: now(containers).restarts >= 3)
    eventually(lambda: now(containers).detail == "CrashLoopBackOff")
    container = now(containers)
    assert (container.status, container.ready) == ("waiting", False)
    assert container.previous is not None
    assert container.previous.exit_code == 1
    assert next(event for event in container.events if event.name == "BackOff").count >= 3
    assert "the model cannot be loaded" in containers.logs("api")


def test_the_policy_says_what_is_started_again(containers: Containers, served: Image, tmp_path: Path) -> None:
    done = image(tmp_path / "done", "print('done')", ("python", "serve.py"))
    fails = image(tmp_path / "fails", "raise SystemExit(4)", ("python", "serve.py"))
    containers.run("once", fails, {}, policy="Never")
    containers.run("task", done, {}, policy="OnFailure")
    containers.run("retry", fails, {}, policy="OnFailure")
    eventually(lambda: now(containers, "retry").restarts >= 1)
    eventually(lambda: now(containers, "once").status == now(containers, "task").status == "terminated")
    once, task = now(containers, "once"), now(containers, "task")
    assert (once.exit_code, once.detail, once.restarts) == (4, "Error", 0)
    assert (task.exit_code, task.detail, task.restarts) == (0, "Completed", 0)
    assert containers.logs("task") == "done\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/bin/sh", "-c", "exec python -u -m serve one"), "['one']"),
        (("python", "-c", "import sys; print(sys.argv[1:])", "two"), "['two']"),
        (("nginx", "-g", "daemon off;"), "executable file not found in $PATH"),
    ],
)
def test_an_image_says_what_to_run(containers: Containers, tmp_path: Path, command: tuple[str, ...], said: str) -> None:
    containers.run("api", image(tmp_path / "x", "import sys; print(sys.argv[1:])", command), {}, policy="Never")
    eventually(lambda: now(containers).status == "terminated")
    assert said in containers.logs("api")
    assert now(containers).exit_code == (127 if command[0] == "nginx" else 0)


def test_a_halted_container_stays_down_until_it_is_restarted(containers: Containers, served: Image) -> None:
    containers.run("api", served, {})
    first = ready(containers)
    pid = json.loads(ask(first.port))["pid"]
    began = time.monotonic()
    containers.halt("api")
    eventually(lambda: now(containers).status == "terminated")
    assert time.monotonic() - began < 3
    assert not alive(pid)
    with pytest.raises(OSError):
        ask(first.port)
    containers.restart("api")
    again = ready(containers)
    assert (again.port, again.restarts) == (first.port, 0)
    containers.restart("api")
    eventually(lambda: now(containers).started_at > again.started_at)
    third = ready(containers)
    assert json.loads(ask(third.port))["pid"] != pid


def test_one_that_does_not_hear_sigterm_is_killed(containers: Containers, tmp_path: Path) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)"
    containers.run("api", image(tmp_path / "deaf", deaf, ("python", "serve.py")), {})
    eventually(lambda: containers.logs("api") == "up\n")
    began = time.monotonic()
    containers.halt("api")
    eventually(lambda: now(containers).status == "terminated")
    assert time.monotonic() - began < 3
    assert now(containers).exit_code == 137


def test_another_image_takes_the_place_and_the_port(containers: Containers, served: Image, tmp_path: Path) -> None:
    containers.run("api", served, {})
    before = ready(containers)
    pid = json.loads(ask(before.port))["pid"]
    other = replace(image(tmp_path / "other"), digest=f"sha256:{'b' * 64}")
    containers.run("api", other, {"VERSION": "2"})
    after = ready(containers)
    assert (after.port, after.image[-1]) == (before.port, "b")
    assert json.loads(ask(after.port))["environment"]["VERSION"] == "2"
    assert not alive(pid)


def test_a_removed_container_leaves_nothing(containers: Containers, served: Image, tmp_path: Path) -> None:
    containers.run("api", served, {})
    pid = json.loads(ask(ready(containers).port))["pid"]
    containers.remove("api")
    assert containers.look("api") is None
    eventually(lambda: not alive(pid))
    eventually(lambda: not list((tmp_path / "sandbox" / "containers").iterdir()))
    assert containers.store.list("container") == []
    containers.remove("api")  # once more does no harm


def test_a_lost_image_is_said_and_waited_for(containers: Containers, served: Image, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    served.folder.rename(hidden)
    containers.run("api", served, {})
    eventually(lambda: now(containers).detail == "ImagePullBackOff")
    assert any(event.name == "Failed" and "manifest" in event.message for event in now(containers).events)
    hidden.rename(served.folder)
    assert ready(containers).status == "running"


def test_one_that_cannot_be_looked_after_is_ended_and_says_so(
    containers: Containers, served: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers.run("api", served, {})
    port = ready(containers).port
    pid = json.loads(ask(port))["pid"]
    with monkeypatch.context() as patched:
        patched.setattr(ContainerLog, "write", _disk_full)
        # It may be gone already, or in the middle of its answer: what it printed before is enough.
        with suppress(OSError, http.client.HTTPException):
            ask(port)
        eventually(lambda: now(containers).status == "terminated")
    assert now(containers).detail == "ContainerCannotRun"
    assert not alive(pid)
    containers.restart("api")
    assert ready(containers).status == "running"


def _disk_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_port_that_is_taken_meanwhile_becomes_another_one(tmp_path: Path, served: Image) -> None:
    first = opened(tmp_path)
    first.run("api", served, {"SCORING_KEY": SECRET})
    port = ready(first).port
    closed(first)
    with socket.create_server(("127.0.0.1", port)):
        second = opened(tmp_path)
        try:
            container = ready(second)
            assert container.port != port
            assert any(event.name == "PortChanged" and str(port) in event.message for event in container.events)
            assert json.loads(ask(container.port))["environment"]["SCORING_KEY"] == SECRET
        finally:
            closed(second)


def test_what_was_halted_stays_so_over_a_restart_of_the_sandbox(tmp_path: Path, served: Image) -> None:
    first = opened(tmp_path)
    first.run("api", served, {})
    ready(first)
    first.halt("api")
    eventually(lambda: now(first).status == "terminated")
    closed(first)
    second = opened(tmp_path)
    try:
        assert now(second).status == "terminated"
        assert "loading" in second.logs("api")
    finally:
        closed(second)


def test_without_the_key_file_a_container_does_not_start_open_to_everybody(tmp_path: Path, served: Image) -> None:
    first = opened(tmp_path)
    first.run("api", served, {"SCORING_KEY": SECRET})
    ready(first)
    closed(first)
    (tmp_path / "sandbox" / "secrets.key").unlink()
    second = opened(tmp_path)
    try:
        second.restart("api")
        assert (now(second).status, now(second).detail) == ("terminated", "CreateContainerConfigError")
    finally:
        closed(second)


def test_no_file_of_the_sandbox_holds_a_secret_in_clear(containers: Containers, served: Image, tmp_path: Path) -> None:
    containers.run("api", served, {"SCORING_KEY": SECRET})
    ready(containers)
    files = [path for path in (tmp_path / "sandbox").rglob("*") if path.is_file()]
    assert files
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in repr(containers._keepers["api"].spec)


@pytest.fixture
def warm(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> Containers:
    """One that forks its containers, from a process that has imported little."""
    if not forking_is_safe():
        pytest.skip("no forking here")
    monkeypatch.setattr(Nursery, "modules", ("uvicorn.main", "uvicorn.config", "not.there"))
    thread = threading.Thread(target=containers.warm)  # as a build does, whose thread ends before the nursery
    thread.start()
    thread.join()
    eventually(lambda: containers._nursery.ready)
    return containers


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_forked_container_is_as_good_as_any(warm: Containers, served: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_SANDBOX", "not for containers")
    for name in ("one", "two"):
        warm.run(name, served, {"SCORING_KEY": SECRET, "NAME": name})
    said = {name: json.loads(ask(ready(warm, name).port)) for name in ("one", "two")}
    pids = {name: one["pid"] for name, one in said.items()}
    assert parent(pids["one"]) == parent(pids["two"]) != os.getpid()
    assert {name: one["environment"]["NAME"] for name, one in said.items()} == {"one": "one", "two": "two"}
    assert said["one"]["environment"]["SCORING_KEY"] == SECRET
    assert said["one"]["umask"] == 0o077
    assert "OF_THE_SANDBOX" not in said["one"]["environment"]
    assert warm.logs("one").splitlines()[0] == "loading"

    os.kill(pids["one"], signal.SIGKILL)
    eventually(lambda: now(warm, "one").restarts == 1)
    previous = ready(warm, "one").previous
    assert previous is not None
    assert previous.exit_code == 137
    assert alive(pids["two"])
    warm.halt("two")
    eventually(lambda: now(warm, "two").status == "terminated")
    assert now(warm, "two").exit_code == 143
    assert not alive(pids["two"])


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("import sys; sys.exit('no model')", 1, "no model"),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
        ("import os; os._exit(3)", 3, ""),
        ("print('done')", 0, "done"),
    ],
)
def test_a_forked_program_ends_as_any_program(
    warm: Containers, tmp_path: Path, program: str, code: int, said: str
) -> None:
    warm.run("api", image(tmp_path / "x", program, ("python", "serve.py")), {}, policy="Never")
    eventually(lambda: now(warm).status == "terminated")
    assert now(warm).exit_code == code
    assert said in warm.logs("api")


def test_an_image_with_modules_of_its_own_gets_a_fresh_python(warm: Containers, tmp_path: Path) -> None:
    own = image(tmp_path / "own", "import json; print(json.OWN)", ("python", "serve.py"))
    (own.folder / "json.py").write_text("OWN = 'its own module'")
    warm.run("own", own, {}, policy="Never")
    shows = "import sys; print(sys.path)"
    warm.run(
        "path", image(tmp_path / "path", shows, ("python", "serve.py")), {"PYTHONPATH": "/of/the/image"}, policy="Never"
    )
    eventually(lambda: now(warm, "own").status == now(warm, "path").status == "terminated")
    assert warm.logs("own") == "its own module\n"
    assert "/of/the/image" in warm.logs("path")


def test_a_lost_nursery_takes_its_containers_along_and_they_come_back(warm: Containers, served: Image) -> None:
    warm.run("api", served, {})
    pid = json.loads(ask(ready(warm).port))["pid"]
    os.kill(parent(pid), signal.SIGKILL)
    eventually(lambda: now(warm).restarts == 1 and now(warm).ready)
    again = json.loads(ask(now(warm).port))["pid"]
    assert parent(again) == os.getpid()


HOLDER = """
import sys, time
from pathlib import Path
from mlops_tui.sandbox.container_processes import Nursery
from mlops_tui.sandbox.containers import Containers
from mlops_tui.sandbox.sandbox import Sandbox
from tests.contract.container_images import image
Nursery.modules = ("uvicorn.main",)
def until(true):
    while not true():
        time.sleep(0.02)

def starts():  # a restart returns before the process of before has ended: it is ready for a moment more
    return sum(event.count for event in service.look("api").events if event.name == "Started")

service = Containers(Sandbox(Path(sys.argv[1]) / "sandbox", "https://localhost:1"))
service.start()
if not service.look("api"):
    service.run("api", image(Path(sys.argv[1]) / "image"), {})
if "warm" in sys.argv:
    service.warm()
    until(lambda: service._nursery.ready)
    until(lambda: service.look("api").ready)
    before = starts()
    service.restart("api")
    until(lambda: starts() > before)
until(lambda: service.look("api").ready)
print(service.look("api").port, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["fresh", "warm"])
def test_containers_die_with_a_killed_sandbox_and_come_back_with_it(tmp_path: Path, how: str) -> None:
    first, port = _hold(tmp_path, how)
    pid = json.loads(ask(port))["pid"]
    first.kill()
    first.wait(5)
    eventually(lambda: not alive(pid), 5)
    second, again = _hold(tmp_path, how)
    try:
        assert again == port
        assert json.loads(ask(port))["pid"] != pid
    finally:
        second.kill()
        second.wait(5)
        for process in (first, second):
            assert process.stdout is not None
            process.stdout.close()


def _hold(folder: Path, how: str) -> tuple[subprocess.Popen[str], int]:
    """A process that is a sandbox with one container, and the container's port."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), how],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_a_log_is_bounded_and_keeps_the_newest_lines(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path)
    line = "x" * 500
    for number in range(3 * LIMIT // 500):
        log.write(f"{number} {line}\n".encode())
    log.write(b"without an end")
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * LIMIT
    lines = log.read().splitlines()
    assert lines[-1] == "without an end"
    assert lines[-2].startswith(f"{3 * LIMIT // 500 - 1} ")
    assert len(lines) > LIMIT // 600
