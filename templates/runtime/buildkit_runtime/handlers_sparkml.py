"""Handlers for Spark ML: a pipeline model, and a schema with the columns of a row.

The schema is in the request, else in SAGEMAKER_SPARKML_SCHEMA, as for AWS's own container, else in
`schema.json` beside the model:
https://github.com/aws/sagemaker-sparkml-serving-container.
"""

from __future__ import annotations

import json
import math
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.ml import PipelineModel
from pyspark.ml.linalg import DenseVector, SparseVector, Vectors, VectorUDT
from pyspark.sql import SparkSession, types
from werkzeug.exceptions import BadRequest

from buildkit_runtime import cells, content, numerals
from buildkit_runtime.handlers import HandlerError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]

# Java's optimizing compiler takes half of the start. It only pays off in long jobs: Spark generates
# new code for each request.
_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1"
# Between these, Java writes a double without an exponent.
_SMALLEST, _LARGEST = 1e-3, 1e7
# What Java skips around fractions; here around whole numbers, too.
_BLANKS = " \t\n\r\x0b\x0c"
_BASIC_STRUCT = "basic"
_NAMES = {list: "a list", dict: "an object", type(None): "null"}
# Exceptions of Java that are not about a value: no memory, a stopped session.
_OF_THE_IMAGE = ("Error", ".IllegalStateException")


def _text(value: Any) -> str:
    """A value of JSON as Java's `toString` writes it, which AWS's container reads."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, (str, int)):
        return str(value)
    found = _NAMES.get(type(value), type(value).__name__)
    raise TypeError(f"a single value is expected, not {found}")


def _double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or _SMALLEST <= abs(value) < _LARGEST:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *others = map(str, digits)
    power = int(exponent) + len(others)
    return f"{'-' * sign}{first}.{''.join(others) or 0}E{power}"


def _boolean(value: Any) -> bool:
    text = _text(value).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _whole(bits: int) -> Callable[[Any], int]:
    beyond = 2 ** (bits - 1)

    def convert(value: Any) -> int:
        number = numerals.whole(_text(value).strip(_BLANKS))
        if not -beyond <= number < beyond:
            raise ValueError(f"{number} does not fit into {bits} bits")
        return number

    return convert


def _real(value: Any) -> float:
    return value if isinstance(value, float) else numerals.real(_text(value).strip(_BLANKS))


# Spark's type, and what turns a value of a request or of Spark into it.
_BASIC: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "boolean": (types.BooleanType(), _boolean),
    "byte": (types.ByteType(), _whole(8)),
    "short": (types.ShortType(), _whole(16)),
    "int": (types.IntegerType(), _whole(32)),
    "integer": (types.IntegerType(), _whole(32)),
    "long": (types.LongType(), _whole(64)),
    "float": (types.FloatType(), _real),
    "double": (types.DoubleType(), _real),
    "string": (types.StringType(), _text),
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
    if columns and _structure(columns[0]) != _BASIC_STRUCT:
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
        fields = [(_name(each), *_type(each)) for each in columns]
        name, (_, write) = _name(output), _BASIC.get(output.get("type"), (None, _unchanged))
    except (KeyError, TypeError) as error:
        raise BadRequest(
            "a schema needs `input`, a list of names and types, and `output`"
        ) from error
    rows = [_converted(row, fields) for row in _rows(data, columns)]
    structure = types.StructType([types.StructField(each, kind) for each, kind, _ in fields])
    found = _transformed(model, rows, structure, name)
    try:
        return [_plain(value, write) for value in found]
    except (ValueError, TypeError) as error:
        raise BadRequest(f"column {name} does not fit `output` of the schema: {error}") from error


def _transformed(model: Model, rows: list[list[Any]], structure: Any, name: str) -> list[Any]:
    """The column of this name. What the pipeline refuses is an error of the client."""
    try:
        frame = model.session.createDataFrame(rows, structure).coalesce(1)
        predicted = model.pipeline.transform(frame)
        if name in predicted.columns:
            return [row[0] for row in predicted.select(name).collect()]
    except PySparkException as error:
        raise content.bad_request(error) from error
    except Py4JJavaError as error:
        cause = _cause(error.java_exception)
        if cause.getClass().getName().endswith(_OF_THE_IMAGE):
            raise
        raise content.bad_request(ValueError(cause.getMessage() or cause.toString())) from error
    raise BadRequest(f"the pipeline makes no column {name}")


def _cause(error: Any) -> Any:
    """The innermost exception of Java; those around it are about jobs and stages."""
    while error.getCause() is not None:
        error = error.getCause()
    return error


def _name(column: dict[str, Any]) -> str:
    name = column["name"]
    if not isinstance(name, str):
        raise TypeError(f"{name} is not a name")
    return name


def _structure(column: dict[str, Any]) -> str:
    return str(column.get("struct") or "").strip() or _BASIC_STRUCT


def _type(column: dict[str, Any]) -> tuple[Any, Any]:
    """Spark's type of a column, and what turns a value into it."""
    basic, convert = _BASIC[column["type"]]
    structure = _structure(column)
    if structure == "vector":
        if column["type"] != "double":
            raise BadRequest(f"a vector holds doubles; the schema asks for {column['type']}")
        return VectorUDT(), lambda value: Vectors.dense([*map(_real, _list(value, structure))])
    if structure == "array":
        return types.ArrayType(basic), lambda value: [
            None if each is None else convert(each) for each in _list(value, structure)
        ]
    if structure != _BASIC_STRUCT:
        raise BadRequest(f"the struct of a column is basic, vector or array, not {structure}")
    return basic, convert


def _list(value: Any, structure: str) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"the struct is {structure}: send a list, in JSON or JSON Lines")
    return value


def _converted(row: list[Any], fields: Sequence[tuple[str, Any, Any]]) -> list[Any]:
    if len(row) != len(fields):
        raise BadRequest(f"a row has {len(fields)} values, not {len(row)}")
    converted = []
    for value, (name, _, convert) in zip(row, fields):
        try:
            converted.append(None if value is None else convert(value))
        except (ValueError, TypeError) as error:
            raise BadRequest(f"a value does not fit the schema: {name}: {error}") from error
    return converted


def _unchanged(value: Any) -> Any:
    return value


def _plain(value: Any, write: Callable[[Any], Any]) -> Any:
    if isinstance(value, (DenseVector, SparseVector)):
        return value.toArray().tolist()
    if isinstance(value, list):
        return [_plain(each, write) for each in value]
    return None if value is None else write(value)


def output_fn(prediction: list[Any], accept: str) -> Any:
    """JSON Lines as AWS's container for Spark ML writes them: `{"features": [...]}` a row."""
    if accept not in content.LINES:
        return content.encode(prediction, accept)
    listed = [each if isinstance(each, list) else [each] for each in prediction]
    return "\n".join(json.dumps({"features": each}) for each in listed)
