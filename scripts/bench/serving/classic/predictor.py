"""A decision tree behind Flask: CSV in through pandas, CSV out through pandas."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import joblib
import pandas as pd
from flask import Flask, Response, request

app = Flask(__name__)


@cache
def model() -> Any:
    return joblib.load("/opt/ml/model/model.joblib")


@app.get("/ping")
def ping() -> Response:
    return Response("\n", 200 if model() else 404, content_type="application/json")


@app.post("/invocations")
def invocations() -> Response:
    if request.content_type != "text/csv":
        return Response("send text/csv", 415, content_type="text/plain")
    rows = pd.read_csv(io.StringIO(request.data.decode()), header=None)
    out = io.StringIO()
    pd.DataFrame({"results": model().predict(rows.to_numpy())}).to_csv(
        out, header=False, index=False
    )
    return Response(out.getvalue(), content_type="text/csv")
