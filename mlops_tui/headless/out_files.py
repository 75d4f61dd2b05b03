"""What a command found, as files for the CI stage after it: metadata/image.json, metrics.json, verdict.json."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from mlops_tui.errors import UsageError
from mlops_tui.events import Event, ImageReady, ModelImage, RunsCompared, Validated
from mlops_tui.redaction import redact

IMAGE = Path("metadata/image.json")
METRICS = Path("metrics.json")
VERDICT = Path("verdict.json")


class OutFiles:
    """Written whole or not at all, and readable by their owner alone."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError where the folder cannot be written: better now than after an hour of training."""
        self._folder = folder
        self._compared = False
        try:
            (folder / IMAGE.parent).mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = folder / f".{os.getpid()}.new"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise _cannot_write(folder, error) from error

    def keep(self, event: Event) -> None:
        """Raises UsageError where it cannot be written any more."""
        if isinstance(event, RunsCompared):
            self._compared = True
            self._write(METRICS, _of_runs(event))
        elif isinstance(event, ImageReady):
            self._write(IMAGE, image_file(event.image))
            if not self._compared and not self._is_compared_there(event.image):
                image = event.image
                own = {"build_number": image.build, "run_id": image.run_id, "metrics": image.metrics}
                self._write(METRICS, own)
        elif isinstance(event, Validated):
            self._write(VERDICT, dataclasses.asdict(event.verdict))

    def _is_compared_there(self, image: ModelImage) -> bool:
        """Whether the training of that build has left its table of runs in the folder."""
        try:
            there = json.loads((self._folder / METRICS).read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(there, dict) and (there.get("build_number"), there.get("run_id")) == (
            image.build,
            image.run_id,
        )

    def _write(self, name: Path, value: dict[str, Any]) -> None:
        target = self._folder / name
        fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
        text = redact(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"
        try:
            with open(fresh, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(text)
            fresh.replace(target)
        except OSError as error:
            raise _cannot_write(target, error) from error


def image_file(image: ModelImage) -> dict[str, Any]:
    """As the notebook itself returns it."""
    return {
        "model_image_id": image.id,
        "build_number": image.build,
        "build_source": image.source,
        "run_id": image.run_id,
        "model": image.model,
        "version": image.version,
        "metrics": image.metrics,
    }


def read_image(text: str) -> str:
    """An image's id: what was given, or what the file of that name says. Raises UsageError."""
    path = Path(text)
    if "@sha256:" in text or not (path.exists() or text.endswith(".json")):
        return text
    path = path / IMAGE if path.is_dir() else path
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{path} cannot be read: {reason}.", hint="`mlops-tui build --out DIR` writes DIR/metadata/image.json."
        ) from error
    found = value.get("model_image_id") if isinstance(value, dict) else None
    return str(found)  # "None" names no image, and is refused as such


def _of_runs(event: RunsCompared) -> dict[str, Any]:
    best = next((result for result in event.results if result.best), None)
    return {
        "build_number": event.build,
        "run_id": best.run_id if best else "",
        "metrics": best.metrics if best else {},
        "best": event.best,
        "gate": event.gate,
        "passed": event.passed,
        "runs": [dataclasses.asdict(result) for result in event.results],
    }


def _cannot_write(place: Path, error: OSError) -> UsageError:
    return UsageError(f"{place} cannot be written: {error.strerror}.", hint="Choose another folder: --out DIR.")
