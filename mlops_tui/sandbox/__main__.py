"""python -m mlops_tui.sandbox FOLDER PORT: serve until told to stop. Started by `process.start`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path


def main() -> None:
    folder, port = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    # Read by MLflow when it is imported; nothing of a practice cloud phones home.
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("python_multipart").setLevel(logging.WARNING)  # it tells of every file that it reads

    import uvicorn

    from mlops_tui.sandbox import certificates, idle
    from mlops_tui.sandbox.process import Address, write_address
    from mlops_tui.sandbox.sandbox import Sandbox
    from mlops_tui.sandbox.server import application

    _, certificate, key = certificates.ensure(folder)
    sandbox = Sandbox(folder, f"https://localhost:{port}")
    write_address(folder, Address(port, os.getpid()))
    idle.watch(sandbox)
    uvicorn.run(
        application(sandbox),
        host="127.0.0.1",
        port=port,
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
