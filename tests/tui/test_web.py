"""The app in a browser: served to this machine's own page alone, and used in a real Chromium."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocket, sync_playwright

from tests.journeys.conftest import Home
from tests.pty_app import Emulator

pytestmark = [pytest.mark.xdist_group("web"), pytest.mark.timeout(150)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def free_port() -> int:
    with closing(socket.socket()) as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@dataclass
class Served:
    """A running `mlops-tui web`."""

    home: Home
    port: int
    address: str
    process: subprocess.Popen[str]

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        """One request, exactly as it stands; underscores in names are hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest("GET", path, skip_host="Host" in given)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    @property
    def key(self) -> str:
        return self.address.partition("key=")[2]

    @property
    def cookie(self) -> str:
        return self.get(f"/?key={self.key}").headers["Set-Cookie"].partition(";")[0]

    def apps(self) -> set[int]:
        """Processes of this home that are an app or its worker."""
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                environment = (entry / "environ").read_bytes()
            except OSError:  # it has ended in between, or is another's
                continue
            if {b"app", b"worker"} & set(words) and f"MLOPS_TUI_HOME={self.home.data}".encode() in environment:
                found.add(int(entry.name))
        return found

    def await_apps(self, good: Callable[[set[int]], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not good(self.apps()):
            assert time.monotonic() < deadline, f"still there: {self.apps()}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = Home(tmp_path_factory.mktemp("web"))
    port = free_port()
    process = home.start("web", "--port", str(port))
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    assert address.startswith(f"http://127.0.0.1:{port}/?key="), address
    try:
        yield Served(home, port, address, process)
    finally:
        process.terminate()
        process.communicate(timeout=30)
        home.close()


# --- who may knock ----------------------------------------------------------------------------------------------------


def test_the_key_opens_the_page_and_leaves_the_address(served: Served) -> None:
    answer = served.get(f"/?key={served.key}")
    assert (answer.status, answer.headers["Location"]) == (302, "/")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    page = served.get("/", Cookie=served.cookie)
    assert page.status == 200
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/ws", "/static/js/textual.js", "/own/page.js", "/download/1", "/?key=wrong"])
def test_without_the_key_nothing_is_told(path: str, served: Served) -> None:
    assert served.get(path).status == 403


@pytest.mark.parametrize("path", ["/", "/ws", "/static/js/textual.js"])
@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "https://127.0.0.1:{port}", "null"])
def test_pages_from_elsewhere_are_refused_even_with_the_key(path: str, origin: str, served: Served) -> None:
    origin = origin.format(port=served.port)
    headers = HANDSHAKE if path == "/ws" else {}
    assert served.get(path, Cookie=served.cookie, Origin=origin, **headers).status == 403
    assert not served.apps()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", ""])
def test_names_that_only_point_here_are_refused(host: str, served: Served) -> None:
    assert served.get("/", Cookie=served.cookie, Host=host.format(port=served.port)).status == 403


def test_no_folder_is_listed(served: Served) -> None:
    assert served.get("/static/", Cookie=served.cookie).status == 403
    assert served.get("/static/../server.py", Cookie=served.cookie).status == 404


def test_it_listens_on_loopback_alone(served: Served) -> None:
    name = f"{served.port:04X}"
    listening = [
        line.split()[1].split(":")[0]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{name}") and line.split()[3] == "0A"
    ]
    assert listening == ["0100007F"]


def test_a_port_that_is_taken_is_told(served: Served) -> None:
    ended = served.home.run("web", "--port", str(served.port))
    assert ended.code == 2
    assert f"Port {served.port} is taken" in ended.err
    assert "--port PORT" in ended.err


# --- in a real browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: `apt-get install chromium` as root, or `.ci/run`, which does it")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield launched
        finally:
            launched.close()


class Tab:
    """A browser tab, and what the terminal in it shows."""

    def __init__(self, browser: Browser, served: Served) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.terminal = Emulator(200, 60)
        self.page: Page = browser.new_page(viewport={"width": 1200, "height": 700})
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("websocket", self._listen)
        self.page.goto(served.address)

    def _listen(self, connection: WebSocket) -> None:
        self.requests.append(connection.url)
        connection.on("framereceived", lambda data: self.terminal.feed(data) if isinstance(data, bytes) else None)

    def wait(self, shown: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while shown not in self.terminal.text:
            assert time.monotonic() < deadline, f"{shown!r} did not show. The terminal:\n{self.terminal.text}"
            self.page.wait_for_timeout(50)


@pytest.fixture
def tab(browser: Browser, served: Served) -> Iterator[Tab]:
    opened = Tab(browser, served)
    try:
        yield opened
    finally:
        opened.page.close()
        served.await_apps(lambda apps: not apps)


def test_the_same_app_in_a_browser_up_to_the_steps_of_a_real_practice_cloud(tab: Tab, served: Served) -> None:
    tab.wait("Practice on this machine")
    tab.wait("Azure: sign in")
    tab.wait("F1 Help")  # the page has the focus without a click
    tab.page.keyboard.press("Enter")
    tab.wait("changes to make")
    for title in ("Resource group", "Secret scope", "Training job"):
        assert title in tab.terminal.text
    assert "key=" not in tab.page.url
    own = (f"http://127.0.0.1:{served.port}/", f"ws://127.0.0.1:{served.port}/ws")
    assert [url for url in tab.requests if not url.startswith((*own, "data:", "blob:"))] == []
    assert tab.complaints == []


def test_the_whole_story_in_a_browser_by_keyboard_alone(tab: Tab) -> None:
    keyboard = tab.page.keyboard
    for shown, key in (
        ("Azure: sign in", "Enter"),
        ("changes to make", "a"),
        ("changes in the practice cloud?", "Enter"),
        ("Everything is set up", "2"),
        ("No runs yet", "n"),
        ("Launch 3 runs", "Enter"),
    ):
        tab.wait(shown)
        keyboard.press(key)
    tab.wait("Best: alpha=0.1,l1_ratio=0.1")
    assert tab.terminal.text.count("succeeded") == 3
    keyboard.press("]")
    tab.wait("lower is better")
    keyboard.press("q")
    tab.page.locator("#again").wait_for(state="visible", timeout=15_000)
    assert tab.complaints == []


def test_every_tab_is_an_app_of_its_own_and_ends_with_it(tab: Tab, browser: Browser, served: Served) -> None:
    tab.wait("Azure: sign in")
    first = served.apps()
    assert len(first) == 2  # the app and its worker
    other = Tab(browser, served)
    other.wait("Azure: sign in")
    assert len(served.apps()) == 4
    other.page.close()
    served.await_apps(lambda apps: apps == first)
    tab.wait("Practice on this machine")


def test_quitting_the_app_says_so_and_offers_another(tab: Tab, served: Served) -> None:
    tab.wait("Azure: sign in")
    tab.page.keyboard.press("q")
    again = tab.page.locator("#again")
    again.wait_for(state="visible", timeout=15_000)
    served.await_apps(lambda apps: not apps)
    again.click()
    served.await_apps(lambda apps: len(apps) == 2)


def test_ctrl_c_ends_the_server_and_every_app(browser: Browser, tmp_path: Path) -> None:
    home, port = Home(tmp_path), free_port()
    process = home.start("web", "--port", str(port))
    assert process.stdout is not None
    served = Served(home, port, process.stdout.readline().split()[-1], process)
    opened = Tab(browser, served)
    opened.wait("Azure: sign in")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    assert "Traceback" not in told
    served.await_apps(lambda apps: not apps)
    opened.page.close()
