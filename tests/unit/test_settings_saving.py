"""Settings written into mlops.toml: the values meant, and nothing else touched."""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from pathlib import Path

import pytest

from mlops_tui import settings_saving
from mlops_tui.errors import UsageError
from mlops_tui.project import load
from mlops_tui.project_file import template
from mlops_tui.settings import BY_NAME, SETTINGS

SUBSCRIPTION = "44444444-4444-4444-8444-444444444444"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads an mlops.toml that happens to stand above."""
    monkeypatch.chdir(tmp_path)


def after_saving(text: str, **values: str) -> str:
    """The file's text once these have been saved."""
    Path("mlops.toml").write_bytes(text.encode())
    settings_saving.save(None, values)
    return Path("mlops.toml").read_bytes().decode()


def changes(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def refused(**values: str) -> str:
    before = Path("mlops.toml").read_bytes() if Path("mlops.toml").exists() else None
    with pytest.raises(UsageError) as caught:
        settings_saving.save(None, values)
    assert (Path("mlops.toml").read_bytes() if Path("mlops.toml").exists() else None) == before
    assert list(Path().glob(".*.new")) == []
    return caught.value.raw


def test_a_line_changes_and_its_comment_and_all_others_stay() -> None:
    before = template("wine-quality")
    after = after_saving(before, location="North Europe", gate_threshold="0.75", parallel="5")
    assert changes(before, after) == [
        '-location = "westeurope"                 # the region',
        '+location = "northeurope"                 # the region',
        "-parallel = 3                            # runs side by side",
        "+parallel = 5                            # runs side by side",
        "-threshold = 0.8                         # … this value",
        "+threshold = 0.75                         # … this value",
    ]


def test_a_key_that_was_commented_out_stands_below_its_comment() -> None:
    before = template("wine-quality")
    after = after_saving(before, subscription_id=SUBSCRIPTION, databricks_host="adb-1.2.azuredatabricks.net/?o=1")
    assert changes(before, after) == [
        f'+subscription_id = "{SUBSCRIPTION}"',
        '+host = "https://adb-1.2.azuredatabricks.net"',
    ]
    lines = after.splitlines()
    assert lines[lines.index(f'subscription_id = "{SUBSCRIPTION}"') - 1].startswith("# subscription_id = ")


def test_every_setting_can_be_saved_and_read_again() -> None:
    saved = {setting.name: str(setting.default) for setting in SETTINGS if not setting.secret and setting.default != ""}
    for text in ("", template("wine-quality"), "cloud = 'AzureCloud'\n[[training.runs]]\nalpha = 1\nl1_ratio = 0\n"):
        after = after_saving(text, **saved)
        for entry in load(None, {}, {})[1].entries.values():
            is_saved = any(setting.key == entry.key and setting.name in saved for setting in SETTINGS)
            assert entry.source.startswith("mlops.toml line") or not is_saved, (entry, after)


def test_a_default_that_was_asked_for_is_written() -> None:
    assert after_saving("[azure]\n", location="westeurope") == '[azure]\nlocation = "westeurope"\n'


def test_new_keys_join_their_section_however_that_is_written() -> None:
    joined = {
        '[azure]\nlocation = "uksouth"\n\n[ml]\n': '[azure]\nlocation = "uksouth"\nresource_group = "rg"\n\n[ml]\n',
        'azure.location = "uksouth"\n': "",
        'azure = { location = "uksouth" }  # here\n': "",
        "[azure]": '[azure]\nresource_group = "rg"\n',
        "# nothing\n": '# nothing\n\n[azure]\nresource_group = "rg"\n',
        '[ml]\nworkspace = "aml"': '[ml]\nworkspace = "aml"\n\n[azure]\nresource_group = "rg"\n',
        "[azure]\n# resource_group = 1  # why\n": '[azure]\n# resource_group = 1  # why\nresource_group = "rg"\n',
    }
    for before, after in joined.items():
        written = after_saving(before, resource_group="rg")
        data = tomllib.loads(written)
        assert data == tomllib.loads(before) | {
            "azure": tomllib.loads(before).get("azure", {}) | {"resource_group": "rg"}
        }
        if not before.startswith("azure"):
            assert written == after
        assert ("# here" in written) == ("# here" in before)


def test_a_top_level_key_comes_before_all_sections() -> None:
    assert after_saving("# mine\n\n[azure]\n", cloud="azure") == '# mine\n\ncloud = "AzureCloud"\n[azure]\n'


def test_a_comment_inside_a_text_is_no_place_for_a_key() -> None:
    before = '[service_principal]\nname = """a\n# location = 1\n"""\n[azure]\n'
    assert after_saving(before, location="uksouth") == before + 'location = "uksouth"\n'


def test_the_runs_are_left_alone() -> None:
    before = template("wine-quality")
    assert (
        tomllib.loads(after_saving(before, parallel="9"))["training"]["runs"]
        == (tomllib.loads(before)["training"]["runs"])
    )


def test_windows_line_ends_a_mark_at_the_beginning_and_the_mode_stay() -> None:
    file = Path("mlops.toml")
    file.write_bytes(b'\xef\xbb\xbf[azure]\r\nlocation = "uksouth"  # there\r\n')
    file.chmod(0o640)
    settings_saving.save(None, {"location": "ukwest", "resource_group": "rg"})
    assert file.read_bytes() == b'\xef\xbb\xbf[azure]\r\nlocation = "ukwest"  # there\r\nresource_group = "rg"\r\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_that_a_link_leads_to_is_written_there(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "real.toml").write_text("[azure]\n")
    Path("mlops.toml").symlink_to(tmp_path / "kept" / "real.toml")
    settings_saving.save(None, {"location": "uksouth"})
    assert Path("mlops.toml").is_symlink()
    assert "uksouth" in (tmp_path / "kept" / "real.toml").read_text()


def test_without_a_file_a_commented_one_is_made_for_its_owner_alone() -> None:
    saved = settings_saving.save(None, {"location": "uksouth"})
    assert saved.is_new
    assert [(line.text, line.before) for line in saved.lines] == [
        ('location = "uksouth"                 # the region', "westeurope")
    ]
    file = Path("mlops.toml")
    assert changes(template("wine-quality"), file.read_text())[1:] == [f"+{saved.lines[0].text}"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().splitlines()[saved.lines[0].number - 1] == saved.lines[0].text


def test_what_stands_there_already_is_not_written_again() -> None:
    Path("mlops.toml").write_text("[azure]\nlocation='uksouth'\n")
    before = Path("mlops.toml").stat()
    saved = settings_saving.save(None, {"location": "UK South"})
    assert (saved.is_new, saved.lines) == (False, ())
    assert Path("mlops.toml").stat().st_ino == before.st_ino


def test_all_that_is_wrong_is_told_and_nothing_is_saved() -> None:
    Path("mlops.toml").write_text("[azure]\n")
    said = refused(
        location="", parallel="many", client_secret="very-secret-indeed", colour="red", resource_group="fine"
    )
    variables = " or ".join(BY_NAME["client_secret"].variables)
    assert said.splitlines() == [
        "azure.location: '' must be the name of a region, such as westeurope",
        "training.parallel: 'many' must be a whole number",
        f"azure.client_secret: a secret does not belong in a file: set {variables}",
        "colour: there is no such setting",
    ]
    assert "very-secret-indeed" not in said


def test_values_that_do_not_go_together_are_not_saved_but_old_mistakes_stay_mendable() -> None:
    Path("mlops.toml").write_text(
        "[training]\nparallel = 0\nbest_metric = 'f1'\n[databricks.cluster]\nmax_workers = 2\n"
    )
    settings_saving.save(None, {"parallel": "2"})  # best_metric is wrong still
    settings_saving.save(None, {"best_metric": "mae"})
    assert "is more than max_workers (2)" in refused(cluster_min_workers="3")
    settings_saving.save(None, {"cluster_min_workers": "3", "cluster_max_workers": "3"})
    load(None, {}, {})


def test_a_file_that_cannot_be_understood_is_left_as_it_is() -> None:
    Path("mlops.toml").write_text("[azure\n")
    assert "mlops.toml:1" in refused(location="uksouth")
    Path("mlops.toml").write_bytes(b"name = '\xff'\n")
    assert "is not UTF-8 text" in refused(location="uksouth")
    Path("mlops.toml").write_text("azure = 5\n")
    with pytest.raises(UsageError, match="azure is no section"):
        settings_saving.save(None, {"location": "uksouth"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told() -> None:
    Path("closed").mkdir()
    Path("closed/mlops.toml").write_text("[azure]\n")
    Path("closed").chmod(0o500)
    with pytest.raises(UsageError, match="Nothing was saved") as caught:
        settings_saving.save(Path("closed"), {"location": "uksouth"})
    Path("closed").chmod(0o700)
    assert "Permission denied" in caught.value.raw


def test_a_disk_that_fills_up_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    Path("mlops.toml").write_text("[azure]\n")
    monkeypatch.setattr("mlops_tui.settings_saving.os.fsync", full)
    assert "No space left on device" in refused(location="uksouth")


def test_a_folder_of_notebooks_is_written_as_the_file_sees_it() -> None:
    Path("deep").mkdir()
    Path("deep/mlops.toml").write_text("")
    settings_saving.save(Path("deep"), {"notebooks": "mine"})
    assert "notebooks = '../mine'" in Path("deep/mlops.toml").read_text().replace('"', "'")
