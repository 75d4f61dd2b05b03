"""python -m mlops_tui.sandbox.model_server: serves the MLflow model in ./model, as Azure ML does one without a script.

"Deploy MLflow models to online endpoints": `input_data` (columns, index, data) is answered with a list of predictions.
MLflow's own shapes (dataframe_split, dataframe_records, instances, inputs) are answered in MLflow's own.
"""

from __future__ import annotations

import io
import json
import os
from functools import partial
from typing import Any

SHAPES = ("input_data", "dataframe_split", "dataframe_records", "instances", "inputs")


class CannotScoreError(Exception):
    """What somebody sent is nothing that the model can predict with."""


def predict(model: Any, body: bytes) -> bytes:
    """The answer's JSON. Raises CannotScoreError."""
    import mlflow
    from mlflow.pyfunc import scoring_server

    try:
        sent = json.loads(body)
        shape = next(name for name in SHAPES if name in sent)
    except (ValueError, TypeError, StopIteration) as error:
        raise CannotScoreError(f"The request must be a JSON object with one of {', '.join(SHAPES)}.") from error
    table, plain = sent[shape], shape == "input_data"
    if plain:
        shape = "dataframe_split" if isinstance(table, dict) else "inputs"
    try:
        data = scoring_server.infer_and_parse_data({shape: table}, model.metadata.get_input_schema())
        predictions = model.predict(data)
    except (mlflow.MlflowException, ValueError, TypeError, KeyError) as error:
        raise CannotScoreError(str(error)) from error
    text = io.StringIO()
    scoring_server.predictions_to_json(predictions, text)
    whole = json.loads(text.getvalue())
    return json.dumps(whole["predictions"] if plain else whole).encode()


def main() -> None:
    import mlflow
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    score = partial(predict, mlflow.pyfunc.load_model("model"))

    async def answer(request: Request) -> Response:
        try:
            scored = await run_in_threadpool(score, await request.body())
        except CannotScoreError as error:
            return JSONResponse({"error": {"code": "BadRequest", "message": str(error)}}, 400)
        return Response(scored, media_type="application/json")

    async def ping(_: Request) -> Response:
        return JSONResponse({"status": "ready"})

    app = Starlette(routes=[Route("/ping", ping), Route("/score", answer, methods=["POST"])])
    uvicorn.run(app, host=os.environ["UVICORN_HOST"], port=int(os.environ["UVICORN_PORT"]), access_log=False)


if __name__ == "__main__":
    main()
