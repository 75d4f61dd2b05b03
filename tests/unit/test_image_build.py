"""What a Dockerfile asks for is really done, or the build fails and says at which line and why."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.sandbox import build_process
from mlops_tui.sandbox.base_images import OWN
from mlops_tui.sandbox.build_context import ContextError
from mlops_tui.sandbox.image_build import (
    BuildCanceledError,
    BuildFailedError,
    BuildTimeoutError,
    ImageBuild,
    Order,
)

BASE = f"FROM python:{OWN}-slim\nWORKDIR /app\n"
OTHER = "3.9" if OWN != "3.9" else "3.10"


@dataclass
class Kitchen:
    """A context on disk, builds from it, and what they say."""

    folder: Path
    said: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def context(self) -> Path:
        return self.folder / "context"

    def add(self, name: str, text: str = "") -> None:
        place = self.context / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def build(self, text: str, seconds: float = 30.0, **facts: Any) -> Any:
        self.add("Dockerfile", text)
        self.count += 1
        self.made = self.folder / f"made-{self.count}"
        self.made.mkdir()
        usual: dict[str, Any] = {"dockerfile": "Dockerfile", "arguments": {}, "target": ""}
        usual |= {"deadline": time.monotonic() + seconds, "canceled": threading.Event()}
        return ImageBuild(Order(context=self.context, **(usual | facts)), self.made, self.said.append).run()

    def fails(self, text: str, **facts: Any) -> str:
        with pytest.raises(BuildFailedError) as caught:
            self.build(text, **facts)
        return str(caught.value)

    def config(self) -> Any:
        return json.loads((self.made / "config.json").read_text())["config"]

    def files(self) -> set[str]:
        root = self.made / "root"
        return {place.relative_to(root).as_posix() for place in root.rglob("*") if place.is_file()}


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    made = Kitchen(tmp_path)
    made.context.mkdir()
    return made


def test_the_same_context_gives_the_same_digest(kitchen: Kitchen) -> None:
    kitchen.add("serve.py", "import json, collections\nopen('made.txt', 'w').write('made')\n")
    text = BASE + "COPY serve.py .\nRUN python serve.py\nCMD python serve.py\n"
    first = kitchen.build(text)
    (kitchen.context / "serve.py").touch()
    assert kitchen.build(text) == first
    assert kitchen.build(text + "EXPOSE 80\n")["digest"] != first["digest"]
    kitchen.add("serve.py", "open('made.txt', 'w').write('other')\n")
    assert kitchen.build(text)["digest"] != first["digest"]


def test_what_the_image_is_told_is_in_its_configuration(kitchen: Kitchen) -> None:
    built = kitchen.build(
        f"ARG MINOR={OWN}\nFROM python:${{MINOR}}-slim AS base\nARG VERSION=1\nARG PORT=80\n"
        'ENV A=1 B="$A and ${VERSION}"\nLABEL build=$VERSION\nWORKDIR /srv\nWORKDIR app\nUSER 1000\n'
        'EXPOSE $PORT 9000/udp\nENTRYPOINT ["python", "-m"]\nCMD ["uvicorn", "serve:app"]\n',
        arguments={"VERSION": "17", "UNKNOWN": "x"},
    )
    assert built["command"] == ["python", "-m", "uvicorn", "serve:app"]
    assert (built["port"], built["workdir"], built["base"]) == (80, "/srv/app", f"python:{OWN}-slim")
    assert built["environment"] == {"A": "1", "B": " and 17"}  # $A is not set yet in its own line
    config = kitchen.config()
    assert config["Labels"] == {"build": "17"}
    assert set(config["ExposedPorts"]) == {"80/tcp", "9000/udp"}
    assert (config["User"], config["WorkingDir"]) == ("1000", "/srv/app")
    assert "[Warning] One or more build-args [UNKNOWN] were not consumed" in kitchen.said


def test_the_shell_form_of_an_entrypoint_takes_nothing_from_cmd(kitchen: Kitchen) -> None:
    built = kitchen.build(BASE + 'ENTRYPOINT uvicorn serve:app\nCMD ["--help"]\n')
    assert built["command"] == ["/bin/sh", "-c", "uvicorn serve:app"]


def test_files_are_copied_as_docker_copies_them(kitchen: Kitchen) -> None:
    for name in ("a.txt", "b.txt", "c.csv", "folder/x.txt", "folder/deep/y.txt"):
        kitchen.add(name, name)
    kitchen.build(
        BASE + 'COPY a.txt renamed.txt\nCOPY *.txt texts/\nCOPY folder data\nCOPY folder/ ./\nCOPY ["c.csv", "/etc/"]\n'
    )
    assert kitchen.files() == {
        *("app/renamed.txt", "app/texts/a.txt", "app/texts/b.txt", "app/data/x.txt", "app/data/deep/y.txt"),
        *("app/x.txt", "app/deep/y.txt", "etc/c.csv"),
    }
    assert (kitchen.made / "root/app/renamed.txt").read_text() == "a.txt"


def test_what_dockerignore_names_is_not_seen(kitchen: Kitchen) -> None:
    kept = ("a.py", "logs/keep.txt", "deep/er/b.py", "x1.csv", "logs.txt")
    gone = ("a.pyc", "deep/er/b.pyc", "logs/one.log", "logs/two/three.txt", ".git/config", "x2.csv", "secret/key")
    for name in (*kept, *gone):
        kitchen.add(name)
    kitchen.add(".dockerignore", "# comment\n**/*.pyc\nlogs\n!logs/keep.txt\n.git/\nx[2-3].csv\n/sec*\nDockerfile\n\n")
    kitchen.build(BASE + "COPY . .\n")
    assert kitchen.files() == {f"app/{name}" for name in (*kept, ".dockerignore")}
    assert "file not found in build context" in kitchen.fails(BASE + "COPY secret/key .\n")
    kitchen.add(".dockerignore", "x[9-1]\n")
    with pytest.raises(ContextError, match=r"the pattern 'x\[9-1\]' of .dockerignore"):
        kitchen.build(BASE)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (
            "COPY nothing.txt .",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat no",
        ),
        ("COPY *.none .", "COPY failed: no source files were specified"),
        ("COPY ../secret .", "COPY failed: forbidden path outside the build context: ../secret"),
        ("COPY a.txt b.txt target", "destination must be a directory and end with a /"),
        ("COPY --from=base a.txt .", "cannot do COPY --from"),
        ("COPY a.txt", "requires at least two arguments"),
        ("RUN apt-get update", "cannot do 'RUN apt-get update': it has no Docker, and runs pip install and python"),
        ("RUN python -V | cat", "it has no shell, and knows commands joined by && alone"),
        ("RUN echo $(id)", "it has no shell"),
        ("RUN --security=insecure python -V", "cannot do RUN --security=insecure"),
        ("RUN --mount=type=secret,id=x python -V", "cannot do RUN --mount=type=secret,id=x"),
        ("ADD a.txt .", "does not know ADD"),
        ("HEALTHCHECK CMD true", "does not know HEALTHCHECK"),
        ("EXPOSE many", "Invalid containerPort: many"),
        ("FROM python:3.11", "builds one stage alone"),
        ("RUN pip freeze", "returned a non-zero code: 1"),
        ("RUN pip install -r missing.txt", "The command '/bin/sh -c pip install -r missing.txt' returned a non-zero"),
    ],
)
def test_what_cannot_be_done_fails_with_its_line(kitchen: Kitchen, step: str, why: str) -> None:
    kitchen.add("a.txt")
    kitchen.add("b.txt")
    message = kitchen.fails(f"{BASE}{step}\n")
    assert why in message
    assert message.endswith("(line 3 of the Dockerfile)")


def test_a_dockerfile_that_is_not_there_or_is_broken_is_said(kitchen: Kitchen) -> None:
    assert "docker/serve: no such file" in kitchen.fails(BASE, dockerfile="docker/serve")
    assert "leads out" in kitchen.fails(BASE, dockerfile="../Dockerfile")
    assert kitchen.fails("FROM python:3.11\nWOKRDIR /") == "dockerfile parse error line 2: unknown instruction: WOKRDIR"
    assert 'target stage "other" could not be found' in kitchen.fails(BASE, target="other")


def test_requirements_are_checked_against_the_environment(kitchen: Kitchen) -> None:
    kitchen.add("more/base.txt", "packaging>=20 \\\n  --hash=sha256:00\n")
    kitchen.add(
        "requirements.txt",
        "# of the model\n-r more/base.txt\nhttpx[http2]  # with a comment\nnothing-such; python_version < '3'\n",
    )
    kitchen.build(BASE + "COPY . .\nRUN pip install --upgrade pip && pip install -q -r requirements.txt\n")
    text = "\n".join(kitchen.said)
    assert "Requirement already satisfied: packaging>=20 (" in text
    assert "Requirement already satisfied: httpx[http2] (" in text
    assert "Ignoring nothing-such: markers" in text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("packaging==0.1", "ERROR: No matching distribution found for packaging==0.1"),
        ("no-such-package", "satisfies the requirement no-such-package (from versions: none)"),
        ("'packaging>=20,<'", "ERROR: Invalid requirement"),
        ("git+https://example.com/x.git", "cannot be installed"),
        ("'x @ https://example.com/x.whl'", "cannot be fetched"),
        ("./here", "cannot be installed"),
        ("--strange packaging", "does not know pip install's option --strange"),
        ("", "You must give at least one requirement"),
        ("-r ../../outside.txt", "Could not open requirements file: [Errno 2]"),
    ],
)
def test_a_requirement_that_cannot_be_met_fails_in_pips_words(kitchen: Kitchen, arguments: str, why: str) -> None:
    (kitchen.folder / "outside.txt").write_text("packaging")
    assert "returned a non-zero code: 1 (line 3" in kitchen.fails(f"{BASE}RUN python -m pip install {arguments}\n")
    assert why in "\n".join(kitchen.said)


@pytest.mark.parametrize("step", ["pip install packaging", "python -V"])
def test_another_python_cannot_be_built_with(kitchen: Kitchen, step: str) -> None:
    assert "non-zero code: 1" in kitchen.fails(f"FROM python:{OTHER}\nRUN {step}\n")
    assert f"use FROM python:{OWN}-slim" in "\n".join(kitchen.said)
    assert kitchen.build(f"FROM python:{OTHER}\nCMD python\n")["base"] == f"python:{OTHER}"


def test_programs_run_in_the_image_with_its_environment(kitchen: Kitchen) -> None:
    kitchen.add(
        "check.py", "import os, sys\nprint(os.getcwd(), os.environ['MODE'], os.environ['EXTRA'], sys.argv[1:])\n"
    )
    kitchen.build(
        BASE + "ENV MODE=test\nARG EXTRA=none\nCOPY check.py .\n"
        "RUN python check.py && EXTRA=1 python3 /app/check.py $MODE\n"
        'RUN ["python", "-c", "print(6 * 7)"]\n',
        arguments={"EXTRA": "given"},
    )
    folder = str(kitchen.made / "root/app")
    assert f"{folder} test given []" in kitchen.said
    assert f"{folder} test 1 ['test']" in kitchen.said
    assert "42" in kitchen.said


def test_a_program_that_fails_fails_the_build_with_its_code(kitchen: Kitchen) -> None:
    kitchen.add("serve.py", "import sys\nprint('before')\nsys.exit('no model')\n")
    message = kitchen.fails(BASE + "COPY . .\nRUN python serve.py --check\n")
    assert message == (
        "The command '/bin/sh -c python serve.py --check' returned a non-zero code: 1 (line 4 of the Dockerfile)"
    )
    assert kitchen.said[-2:] == ["before", "no model"]
    assert "code: 7 (" in kitchen.fails(BASE + 'RUN python -c "raise SystemExit(7)"\n')


def test_a_talkative_program_does_not_fill_the_log(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_process, "OUTPUT_LIMIT", 1024**2)
    kitchen.add(
        "talk.py", "for _ in range(300): print('x' * 9999)\nprint('y' * 2_000_000, end='')\nopen('done', 'w')\n"
    )
    kitchen.build(BASE + "COPY . .\nRUN python talk.py\n")
    assert 1024**2 * 0.9 < sum(map(len, kitchen.said)) < 1024**2 * 1.2
    assert "[output clipped, log limit 1MiB reached]" in kitchen.said
    assert "app/done" in kitchen.files()


def test_a_build_ends_with_its_time(kitchen: Kitchen) -> None:
    kitchen.add("slow.py", "import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    started = time.monotonic()
    with pytest.raises(BuildTimeoutError):
        kitchen.build(BASE + "COPY . .\nRUN python slow.py\n", seconds=1.0)
    assert time.monotonic() - started < 10


def test_a_canceled_build_ends_its_program(kitchen: Kitchen) -> None:
    kitchen.add("slow.py", "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    canceled = threading.Event()

    def cancel_when_it_runs() -> None:
        pid = kitchen.folder / "made-1/root/app/pid"
        deadline = time.monotonic() + 10
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        canceled.set()

    watcher = threading.Thread(target=cancel_when_it_runs)
    watcher.start()
    with pytest.raises(BuildCanceledError):
        kitchen.build(BASE + "COPY . .\nRUN python slow.py\n", canceled=canceled)
    watcher.join()
    assert not Path(f"/proc/{(kitchen.made / 'root/app/pid').read_text()}").exists()
