"""A build's source is unpacked with care: nothing leaves its folder, nothing fills the disk."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from mlops_tui.sandbox import build_context
from mlops_tui.sandbox.build_context import ContextError, unpack


def archive(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    path = folder / "source.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for entry, data in members:
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (entry("../outside.txt"), "outside of its folder"),
        (entry("/etc/outside.txt"), "outside of its folder"),
        (entry("a/../../outside.txt"), "outside of its folder"),
        (entry("link", tarfile.SYMTYPE, "/etc/passwd"), "link or a device"),
        (entry("link", tarfile.SYMTYPE, "Dockerfile"), "link or a device"),
        (entry("hard", tarfile.LNKTYPE, "../../outside.txt"), "link or a device"),
        (entry("pipe", tarfile.FIFOTYPE), "link or a device"),
    ],
)
def test_a_source_that_would_leave_its_folder_is_refused(tmp_path: Path, member: tarfile.TarInfo, why: str) -> None:
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    with pytest.raises(ContextError, match=why):
        unpack(archive(tmp_path, (member, b"")), target)
    assert list(target.iterdir()) == []
    assert not (tmp_path / "outside.txt").exists()


def test_a_source_has_a_bound_and_must_be_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    target.mkdir()
    good = archive(tmp_path, (entry("./a.txt"), b"12345"), (entry("b/c.txt"), b"12345"))
    assert unpack(good, target) == 10
    assert (target / "b/c.txt").read_bytes() == b"12345"
    monkeypatch.setattr(build_context, "SIZE_LIMIT", 9)
    with pytest.raises(ContextError, match="larger than the sandbox takes"):
        unpack(good, target)
    for data in (b"", b"no archive", good.read_bytes()[:40]):
        (tmp_path / "bad.tar.gz").write_bytes(data)
        with pytest.raises(ContextError, match="error reading the build context"):
            unpack(tmp_path / "bad.tar.gz", target)
