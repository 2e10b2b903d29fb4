"""Handlers for Spark ML: a pipeline model, and a schema with the columns of a row.

The schema is in the request, else in SAGEMAKER_SPARKML_SCHEMA, as for AWS's own container, else in
`schema.json` beside the model:
https://github.com/aws/sagemaker-sparkml-serving-container.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from pyspark.ml import PipelineModel
from pyspark.ml.linalg import DenseVector, SparseVector, Vectors, VectorUDT
from pyspark.sql import SparkSession, types
from werkzeug.exceptions import BadRequest

from buildkit_runtime import cells, content
from buildkit_runtime.handlers import HandlerError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]

# Java's optimizing compiler takes half of the start. It only pays off in long jobs: Spark generates
# new code for each request.
_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1"
_BASIC: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "boolean": (types.BooleanType(), lambda value: str(value).strip().lower() in ("true", "1")),
    "byte": (types.ByteType(), int),
    "short": (types.ShortType(), int),
    "int": (types.IntegerType(), int),
    "integer": (types.IntegerType(), int),
    "long": (types.LongType(), int),
    "float": (types.FloatType(), float),
    "double": (types.DoubleType(), float),
    "string": (types.StringType(), str),
}


class Data(NamedTuple):
    """Rows of texts or of JSON values, and the schema of the request.

    `single`: `rows` may be one row, which only the schema shows: a list may be one of several rows,
    or the array or vector in the first column of the only row.
    """

    rows: list[Any]
    schema: Any
    single: bool = False


class Model(NamedTuple):
    session: SparkSession
    pipeline: PipelineModel
    schema: dict[str, Any] | None


def model_fn(model_dir: str) -> Model:
    """Load the only pipeline below the folder."""
    found = sorted({path.parent.parent for path in Path(model_dir).rglob("metadata/_SUCCESS")})
    outer = [path for path in found if not any(other in path.parents for other in found)]
    if len(outer) != 1:
        names = ", ".join(map(str, outer)) or "none"
        raise HandlerError(f"expected one saved pipeline in {model_dir}; found {names}")
    session = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.extraJavaOptions", _JAVA_OPTIONS)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.local.dir", os.environ.get("TMPDIR", "/tmp"))  # noqa: S108
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    pipeline = PipelineModel.load(outer[0].as_uri())
    return Model(session, pipeline, _schema(Path(model_dir)))


def _schema(folder: Path) -> dict[str, Any] | None:
    text = os.environ.get("SAGEMAKER_SPARKML_SCHEMA", "")
    beside = folder / "schema.json"
    if not text and beside.is_file():
        text = beside.read_text()
    try:
        return dict(json.loads(text)) if text else None
    except (ValueError, TypeError) as error:
        raise HandlerError(f"the schema is not a JSON object: {error}") from error


def input_fn(body: content.Body, content_type: str) -> Data:
    """CSV; JSON Lines, of lists or of `{"features": [...]}`; JSON with `data` and its `schema`."""
    if content_type not in content.DECODERS:
        raise content.unsupported(content_type, content.DECODERS)
    text = content.to_text(body)
    if content_type == content.CSV:
        return Data(_checked([row for row in cells.reader(text) if row]), None)
    if content_type in content.LINES:
        lines = [_parsed(line) for _, line in content.split_lines(text)]
        schemas = [line.get("schema") for line in lines[:1] if isinstance(line, dict)]
        schema = next(iter(schemas), None)
        rows = [_row(line) for line in lines]
        if len(rows) == 1:
            return Data(_listed(rows[0]), schema, single=True)
        return Data(_checked(rows), schema)
    value = _parsed(text)
    if not isinstance(value, dict):
        value = {"data": value}
    data = value.get("data", value.get("instances"))
    return Data(_listed(data), value.get("schema"), single=True)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def _row(line: Any) -> Any:
    return line.get("data", line.get("features")) if isinstance(line, dict) else line


def _listed(rows: Any) -> list[Any]:
    if not isinstance(rows, list) or not rows:
        raise BadRequest("the body holds no rows")
    return rows


def _rows(data: Data, columns: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """Each row as a list of the columns' values."""
    first: Any = data.rows[0]
    if columns and columns[0].get("struct", "basic") != "basic":
        first = first[0] if isinstance(first, list) and first else None
    if data.single and not isinstance(first, list):
        return [data.rows]
    return _checked(data.rows)


def _checked(rows: Any) -> list[list[Any]]:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise BadRequest("the body holds no rows")
    return rows


def predict_fn(data: Data, model: Model) -> list[Any]:
    """The output column of each row, in order."""
    schema = data.schema or model.schema
    if schema is None:
        raise BadRequest("no schema: send one, or set SAGEMAKER_SPARKML_SCHEMA")
    try:
        columns, output = schema["input"], schema["output"]
        fields = [(each["name"], *_type(each)) for each in columns]
    except (KeyError, TypeError) as error:
        raise BadRequest(
            "a schema needs `input`, a list of names and types, and `output`"
        ) from error
    rows = [_converted(row, fields) for row in _rows(data, columns)]
    structure = types.StructType([types.StructField(name, kind) for name, kind, _ in fields])
    frame = model.session.createDataFrame(rows, structure).coalesce(1)
    predicted = model.pipeline.transform(frame)
    if output["name"] not in predicted.columns:
        raise BadRequest(f"the pipeline makes no column {output['name']}")
    return [_plain(row[0], output) for row in predicted.select(output["name"]).collect()]


def _type(column: dict[str, Any]) -> tuple[Any, Any]:
    """Spark's type of a column, and what turns a value into it."""
    basic, convert = _BASIC[column["type"]]
    structure = column.get("struct", "basic")
    if structure == "vector":
        return VectorUDT(), lambda value: Vectors.dense([float(each) for each in value])
    if structure == "array":
        return types.ArrayType(basic), lambda value: [convert(each) for each in value]
    return basic, convert


def _converted(row: list[Any], fields: Sequence[tuple[str, Any, Any]]) -> list[Any]:
    if len(row) != len(fields):
        raise BadRequest(f"a row has {len(fields)} values, not {len(row)}")
    try:
        return [
            None if value is None else convert(value) for value, (_, _, convert) in zip(row, fields)
        ]
    except (ValueError, TypeError) as error:
        raise BadRequest(f"a value does not fit the schema: {error}") from error


def _plain(value: Any, output: dict[str, Any]) -> Any:
    if isinstance(value, (DenseVector, SparseVector)):
        return value.toArray().tolist()
    return _BASIC[output["type"]][1](value) if output.get("type") in _BASIC else value


def output_fn(prediction: list[Any], accept: str) -> Any:
    """JSON Lines as AWS's container for Spark ML writes them: `{"features": [...]}` a row."""
    if accept not in content.LINES:
        return content.encode(prediction, accept)
    listed = [each if isinstance(each, list) else [each] for each in prediction]
    return "\n".join(json.dumps({"features": each}) for each in listed)
