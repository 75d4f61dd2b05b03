# Databricks notebook source
# MAGIC %md
# MAGIC # What is in the container image
# MAGIC
# MAGIC A model, a program that lets it answer over HTTP, the packages that both need, and the recipe that puts them together.
# MAGIC `serving_build_container_image` takes this notebook in with `%run ./image_contents`; by itself it does nothing.

# COMMAND ----------

import gzip
import importlib.metadata
import io
import os
import re
import tarfile

# COMMAND ----------

# MAGIC %md
# MAGIC ## The program in the image
# MAGIC
# MAGIC `serve.py` is a small web server around MLflow's `predict`. The model is loaded once, at the start; each request is
# MAGIC then answered within milliseconds.

# COMMAND ----------

SERVE = '''"""Answers predictions of one MLflow model over HTTP: `uvicorn serve:app` starts it.

`python serve.py --check` loads the model and predicts its input example: whether this image can serve at all.
"""

import hmac
import io
import json
import logging
import os
import sys
from pathlib import Path

import mlflow
from mlflow.pyfunc import scoring_server
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

FOLDER = str(Path(__file__).with_name("model"))
MODEL = mlflow.pyfunc.load_model(FOLDER)  # once: a request must not wait for it
SCHEMA = MODEL.metadata.get_input_schema()
KEY = os.environ.get("SCORING_KEY", "")  # empty behind an Azure ML endpoint, which checks its own keys
SHAPES = ("dataframe_split", "dataframe_records", "instances", "inputs")


class CannotScoreError(Exception):
    """What somebody sent is nothing that the model can predict with."""


def read_table(body):
    """The rows of a request, in one of MLflow's JSON shapes or in Azure ML's `input_data`."""
    try:
        sent = json.loads(body)
    except ValueError as error:
        raise CannotScoreError(f"The request is not JSON: {error}.") from error
    if not isinstance(sent, dict):
        raise CannotScoreError(f"The request must be a JSON object with one of {', '.join(SHAPES)}.")
    if "input_data" in sent:
        sent["dataframe_split"] = sent.pop("input_data")
    shapes = [name for name in SHAPES if name in sent]
    if len(shapes) != 1:
        found = ", ".join(sent) or "nothing"
        raise CannotScoreError(f"The request must have exactly one of {', '.join(SHAPES)}; it has {found}.")
    table = scoring_server.infer_and_parse_data({shapes[0]: sent[shapes[0]]}, SCHEMA)
    if len(table) == 0:
        raise CannotScoreError("The request has no rows.")
    return table


def score(body):
    """The answer's bytes. A float's JSON is the shortest text that reads back as the very same float."""
    try:
        predictions = MODEL.predict(read_table(body))
    except CannotScoreError:
        raise
    except (mlflow.MlflowException, ValueError, TypeError, KeyError) as error:
        reason = str(error).split("Error: ", 1)[-1]  # MLflow's text before that repeats all the rows
        reason = (reason.strip() or type(error).__name__).splitlines()[0]
        raise CannotScoreError(f"The model cannot predict with this: {reason}") from error
    text = io.StringIO()
    scoring_server.predictions_to_json(predictions, text)
    return text.getvalue().encode()


def refusal(text, status):
    return JSONResponse({"error": {"message": text}}, status)


async def answer(request):
    sent = request.headers.get("authorization", "").encode()
    if KEY and not hmac.compare_digest(sent, f"Bearer {KEY}".encode()):
        return refusal("The key is missing or wrong. Send the header: Authorization: Bearer KEY", 401)
    try:
        return Response(await run_in_threadpool(score, await request.body()), media_type="application/json")
    except CannotScoreError as error:
        return refusal(str(error), 400)
    except Exception:
        logging.getLogger("uvicorn.error").exception("The model failed")
        return refusal("The model failed; the container's log says why.", 500)


async def ping(request):
    return JSONResponse({"status": "ready"})


async def version(request):
    versions = {"mlflow": mlflow.__version__, "python": sys.version.split()[0]}
    return JSONResponse({"run_id": MODEL.metadata.run_id} | versions)


app = Starlette(
    routes=[
        *(Route(path, ping) for path in ("/ping", "/health")),
        *(Route(path, answer, methods=["POST"]) for path in ("/score", "/invocations")),
        Route("/version", version),
    ]
)

if __name__ == "__main__" and sys.argv[1:] == ["--check"]:
    example = mlflow.models.Model.load(FOLDER).load_input_example(FOLDER)
    print("The model has no input example" if example is None else f"The model predicts {MODEL.predict(example)}")
'''

# COMMAND ----------

# MAGIC %md
# MAGIC ## The recipe of the image
# MAGIC
# MAGIC A `Dockerfile` is executed line by line by whoever builds the image. The check in it predicts the model's own example:
# MAGIC an image that cannot serve fails here, not in front of customers.

# COMMAND ----------

DOCKERFILE = """FROM python:{python}-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
ENV MLFLOW_DISABLE_TELEMETRY=true
RUN python serve.py --check
ENV UVICORN_HOST=0.0.0.0 UVICORN_PORT=5001
EXPOSE 5001
USER 1000
CMD ["uvicorn", "serve:app"]
"""


def pinned_requirements(model):
    """The model's own requirements, and the web server's in the versions of this cluster."""
    with open(os.path.join(model, "requirements.txt"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip()]
    there = {re.split(r"[^\w-]", line, maxsplit=1)[0].lower() for line in lines}
    for name in ("mlflow", "starlette", "uvicorn"):
        if name not in there:
            lines.append(pinned(name))
    return "".join(f"{line}\n" for line in lines)


def pinned(name):
    try:
        return f"{name}=={importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:  # then MLflow brings one that suits it
        return name


def python_of(model):
    """The Python that the model was trained with, as 3.12."""
    with open(os.path.join(model, "python_env.yaml"), encoding="utf-8") as file:
        return re.search(r"python:\s*['\"]?(\d+\.\d+)", file.read()).group(1)


def build_context(model):
    """All that goes into the image, as a tar.gz; the same model gives the same bytes, whoever packs it and when."""
    texts = {
        "Dockerfile": DOCKERFILE.format(python=python_of(model)),
        "requirements.txt": pinned_requirements(model),
        "serve.py": SERVE,
    }
    files = {name: text.encode() for name, text in texts.items()}
    for folder, _, names in os.walk(model):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files[f"model/{os.path.relpath(path, model)}"] = file.read()
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)  # with no date and no owner
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    print(f"Build context: {len(files)} files, {packed.tell() / 1024:,.0f} KB")
    return packed.getvalue()
