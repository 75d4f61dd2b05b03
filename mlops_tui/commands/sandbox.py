"""sandbox start, stop, status, reset, env: the one place outside the sandbox that knows it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from mlops_tui import folders
from mlops_tui.commands.options import InOrder
from mlops_tui.errors import CloudError, UnreachableError, UsageError
from mlops_tui.opening import Practice


def practice(tell: Callable[[str], None]) -> Practice:
    """The practice cloud of this user, started if it is not up; in a job of a pipeline there, that pipeline's.

    Raises UsageError where the sandbox's packages are not installed, CloudError where it does not start.
    """
    if (visited := _visited()) is not None:
        return visited
    if find_spec("uvicorn") is None or find_spec("mlflow") is None:
        raise UsageError(
            "The practice cloud is not installed.",
            hint="Install it with `pip install 'mlops-tui[sandbox]'`, or choose a real cloud: --cloud AzureCloud.",
        )
    from mlops_tui.sandbox import process

    folder = folders.made(folders.sandbox_folder(os.environ))
    address = process.status(folder)
    if address is None:
        tell("starting the practice cloud on this machine ...")
        try:
            address = process.start(folder)
        except (process.SandboxError, OSError) as error:
            raise CloudError("The practice cloud did not start.", raw=str(error), hint=_hint(folder, error)) from error
        tell(f"the practice cloud is up at {address.origin}")
    return Practice(address.origin, str(folder / "ca.pem"), _credentials(folder))


def known_practice() -> Mapping[str, str] | None:
    """What the practice cloud would give, if it has been started before; starts nothing."""
    from mlops_tui.sandbox import process

    if (visited := _visited()) is not None:
        return {**visited.settings, "origin": visited.origin}
    folder = folders.sandbox_folder(os.environ)
    address = process.read_address(folder)
    if address is None or not (folder / "credentials.json").exists():
        return None
    return {**_credentials(folder), "origin": address.origin}


def _visited() -> Practice | None:
    """Of a job in a pipeline of the practice cloud: nothing is started, and nobody's credentials are read."""
    from mlops_tui.sandbox import visit

    try:
        visited = visit.visited(os.environ)
        if visited is None:
            return None
        return Practice(visited.origin, visited.ca_bundle, {"tenant_id": visited.tenant_id()})
    except ValueError as error:
        raise UsageError("The practice cloud of this pipeline cannot be used.", problems=(str(error),)) from error
    except OSError as error:
        raise UnreachableError("The practice cloud of this pipeline does not answer.", raw=str(error)) from error


def _credentials(folder: Path) -> Mapping[str, str]:
    """Raises CloudError where the file is gone or spoilt."""
    from mlops_tui import redaction

    file = folder / "credentials.json"
    try:
        values: dict[str, str] = json.loads(file.read_text())
        redaction.register(values["client_secret"], values.get("azure_devops_token"), values.get("github_token"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CloudError(
            f"The practice cloud's {file} cannot be read.",
            hint="`mlops-tui sandbox reset` makes a new one; what is in the practice cloud goes with it.",
            raw=f"{type(error).__name__}: {error}",
        ) from error
    return values


def _hint(folder: Path, error: Exception) -> str:
    from mlops_tui.sandbox.process import PortTakenError

    if isinstance(error, PortTakenError):
        return (
            "End that program and run the same command again; or start from nothing elsewhere: "
            "`mlops-tui sandbox reset`, then `mlops-tui sandbox start --port PORT`."
        )
    return f"Read {folder / 'server.log'}; `mlops-tui sandbox reset` starts from nothing."


@contextmanager
def _files_told() -> Iterator[None]:
    """What the system does not allow is told in a sentence."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'The practice cloud'}: {error.strerror}.") from error


@click.group(cls=InOrder)
def sandbox() -> None:
    """The practice cloud on this machine.

    It speaks the protocols of Azure, Databricks and MLflow, really trains and tracks, and costs nothing. Other
    commands start it by themselves when they need it.
    """


@sandbox.command()
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    help="The port to listen on: counts the first time, and is kept. Default: any free one.",
)
def start(port: int | None) -> None:
    """Start it, if it is not up."""
    from mlops_tui.sandbox import process

    try:
        folder = folders.made(folders.sandbox_folder(os.environ))
    except UsageError as error:
        raise click.UsageError(f"{error.message} {error.hint}") from error
    try:
        address = process.start(folder, port or 0)
    except (process.SandboxError, OSError) as error:
        raise click.ClickException(f"{error}\n{_hint(folder, error)}") from error
    click.echo(f"The practice cloud is up at {address.origin} (process {address.pid}).")


@sandbox.command()
def stop() -> None:
    """Stop it; everything in it is kept."""
    from mlops_tui.sandbox import process

    folder = folders.sandbox_folder(os.environ)
    with _files_told():
        stopped = folder.exists() and process.stop(folder)
    click.echo("Stopped." if stopped else "It was not up.")


@sandbox.command()
def status() -> None:
    """Say whether it is up, and where.

    The exit code is 1 where it is not up.
    """
    from mlops_tui.sandbox import process

    folder = folders.sandbox_folder(os.environ)
    address = process.status(folder)
    click.echo(f"Up at {address.origin} (process {address.pid})." if address else "Not up.")
    click.echo(f"Its folder: {folder}")
    if address is None:
        raise SystemExit(1)


@sandbox.command()
@click.option("--yes", is_flag=True, help="Do not ask first.")
def reset(yes: bool) -> None:
    """Stop it and forget everything in it."""
    from mlops_tui.sandbox import process

    folder = folders.sandbox_folder(os.environ)
    if folder.exists():
        if not yes:
            click.confirm(f"Remove {folder} with all its runs and secrets?", abort=True)
        with _files_told():
            process.reset(folder)
    click.echo("The practice cloud is empty.")


@sandbox.command()
def env() -> None:
    """Print the variables that point other tools at it.

    For the Databricks CLI and mlflow that is all it takes; az needs a cloud registered, too.

    \b
    eval "$(mlops-tui sandbox env)"
    """
    from mlops_tui.sandbox import exports, process

    folder = folders.sandbox_folder(os.environ)
    address = process.status(folder)
    if address is None:
        raise click.ClickException("The practice cloud is not up. Start it with `mlops-tui sandbox start`.")
    for name, value in exports.environment(folder, address).items():
        click.echo(f"export {name}={shlex.quote(value)}")
