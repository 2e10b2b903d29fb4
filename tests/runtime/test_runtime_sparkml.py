"""The handlers for Spark ML, with stand-ins for Spark: what values become, and what is refused."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from buildkit_runtime.content import CSV, JSON, JSON_LINES
from werkzeug.exceptions import BadRequest


class Vector(tuple[float, ...]):
    """A dense vector."""

    __slots__ = ()

    def toArray(self) -> Any:  # noqa: N802 - its name in Spark
        return SimpleNamespace(tolist=lambda: list(self))


class SparkRefusalError(Exception):
    """PySparkException."""


@dataclass
class Thrown:
    """An exception of Java, as py4j shows it."""

    name: str
    message: str | None
    cause: Thrown | None = None

    def getCause(self) -> Thrown | None:  # noqa: N802
        return self.cause

    def getMessage(self) -> str | None:  # noqa: N802
        return self.message

    def getClass(self) -> Any:  # noqa: N802
        return SimpleNamespace(getName=lambda: self.name)

    def toString(self) -> str:  # noqa: N802
        return self.name


class JavaError(Exception):
    """Py4JJavaError."""

    def __init__(self, thrown: Thrown) -> None:
        super().__init__("An error occurred while calling o123.collectToPython.")
        self.java_exception = thrown


@dataclass
class Frame:
    """Rows; a pipeline that changes nothing makes one of itself."""

    rows: list[list[Any]]
    columns: list[str]
    at: int = 0

    def coalesce(self, _: int) -> Frame:
        return self

    def select(self, name: str) -> Frame:
        return Frame(self.rows, self.columns, self.columns.index(name))

    def collect(self) -> list[Any]:
        return [(row[self.at],) for row in self.rows]


@dataclass
class Session:
    """Spark, and the pipeline in it."""

    refusal: Exception | None = None
    made: Any = None
    seen: list[Any] = field(default_factory=list)

    def createDataFrame(self, rows: Any, structure: Any) -> Frame:  # noqa: N802
        self.seen = rows
        return Frame(rows, [each.arguments[0] for each in structure.arguments[0]])

    def transform(self, frame: Frame) -> Frame:
        if self.refusal:
            raise self.refusal
        return frame if self.made is None else Frame([[self.made]], frame.columns)


class Type:
    """A type of Spark."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments


MODULES: dict[str, dict[str, Any]] = {
    "py4j": {},
    "py4j.protocol": {"Py4JJavaError": JavaError},
    "pyspark": {},
    "pyspark.errors": {"PySparkException": SparkRefusalError},
    "pyspark.ml": {"PipelineModel": None},
    "pyspark.ml.linalg": {
        "DenseVector": Vector,
        "SparseVector": Vector,
        "Vectors": SimpleNamespace(dense=Vector),
        "VectorUDT": Type,
    },
    "pyspark.sql": {"SparkSession": None},
}
TYPES = ("Boolean", "Byte", "Short", "Integer", "Long", "Float", "Double", "String", "Array")


@pytest.fixture
def sparkml(monkeypatch: pytest.MonkeyPatch) -> Any:
    types = SimpleNamespace(StructType=Type, StructField=Type, **{f"{x}Type": Type for x in TYPES})
    MODULES["pyspark.sql"]["types"] = types
    for name, members in MODULES.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    name = "buildkit_runtime.handlers_sparkml"
    monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)


def column(kind: str, **more: Any) -> dict[str, Any]:
    return {"name": "x", "type": kind, **more}


def answer(
    sparkml: Any,
    body: str,
    columns: Any,
    content_type: str = JSON,
    *,
    output: Any = None,
    session: Session | None = None,
) -> Any:
    session = session or Session()
    schema = {"input": columns, "output": output or {"name": "x"}}
    return sparkml.predict_fn(
        sparkml.input_fn(body, content_type), sparkml.Model(session, session, schema)
    )


def test_spark_ml_reads_lines_and_cells_as_the_others(sparkml: Any) -> None:
    body = '["a\u2028b"]\n["c\x85d"]\r\n'.encode()
    assert sparkml.input_fn(body, JSON_LINES).rows == [["a\u2028b"], ["c\x85d"]]
    long = "a" * 200_000
    assert sparkml.input_fn(f"{long},1", CSV).rows == [[long, "1"]]


WHOLE = ("byte", "short", "int", "long")
REAL = ("float", "double")
# A cell of CSV: the types that Java, and so AWS's container, reads it as, and its value; the table
# is of Java 17. Text is one always.
CELLS: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("1", (*WHOLE, *REAL), 1),
    ("+1", (*WHOLE, *REAL), 1),
    ("-0", (*WHOLE, *REAL), 0),
    ("007", (*WHOLE, *REAL), 7),
    ("127", (*WHOLE, *REAL), 127),
    ("300", (*WHOLE[1:], *REAL), 300),
    ("-129", (*WHOLE[1:], *REAL), -129),
    ("32768", (*WHOLE[2:], *REAL), 32768),
    ("99999999999", ("long", *REAL), 99999999999),
    ("9223372036854775807", ("long", *REAL), 2**63 - 1),
    ("9223372036854775808", REAL, 2.0**63),
    ("3.9", REAL, 3.9),
    ("3.0", REAL, 3.0),
    ("1e3", REAL, 1000.0),
    (".5", REAL, 0.5),
    ("5.", REAL, 5.0),
    ("1.5E+3", REAL, 1500.0),
    ("1e400", REAL, float("inf")),
    (" 2.5\t", REAL, 2.5),
    ("-Infinity", REAL, float("-inf")),
    ("true", ("boolean",), True),
    ("TRUE", ("boolean",), True),
    ("False", ("boolean",), False),
    *((refused, (), None) for refused in ("1_0", "1_0.5", "", "1e", "--1", "1l", "null", "0x1F")),
    *((refused, (), None) for refused in ("\xa01", "1\u2003", "\u0663.\u0665", "king")),
)  # fmt: skip


@pytest.mark.parametrize("kind", ["boolean", *WHOLE, *REAL])
@pytest.mark.parametrize(("cell", "kinds", "value"), CELLS)
def test_cells_are_read_as_by_java(
    sparkml: Any, cell: str, kinds: tuple[str, ...], value: Any, kind: str
) -> None:
    for body, content_type in ((f'"{cell}"\n', CSV), (json.dumps([[cell]]), JSON)):
        assert answer(sparkml, body, [column("string")], content_type) == [cell]
        if kind in kinds:
            (found,) = answer(sparkml, body, [column(kind)], content_type)
            expected = float if kind in REAL else bool if kind == "boolean" else int
            assert (type(found), found) == (expected, expected(value))
        else:
            with pytest.raises(BadRequest, match="does not fit the schema: x: "):
                answer(sparkml, body, [column(kind)], content_type)


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        pytest.param(" 4 ", "int", 4, id="blanks around a whole number"),
        pytest.param("nan", "double", float("nan"), id="as numpy writes it"),
        pytest.param("inf", "float", float("inf"), id="infinity, too"),
    ],
)
def test_cells_that_java_refuses_and_other_images_read(
    sparkml: Any, cell: str, kind: str, value: Any
) -> None:
    assert str(answer(sparkml, cell, [column(kind)], CSV)) == str([value])


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        *((cell, "boolean") for cell in ("1", "0", "yes", "")),
        *((cell, "double") for cell in ("1d", "1.5F", "0x1p3")),
        ("\u0661", "int"),
    ],
)
def test_cells_that_java_reads_by_a_guess_or_in_a_notation_of_its_own(
    sparkml: Any, cell: str, kind: str
) -> None:
    with pytest.raises(BadRequest):
        answer(sparkml, f'"{cell}"\n', [column(kind)], CSV)


# A value of JSON: its text as Java's `toString` writes it, and other types that read it.
VALUES: tuple[tuple[str, str | None, dict[str, Any]], ...] = (
    ("1", "1", dict.fromkeys((*WHOLE, *REAL), 1)),
    ("1.0", "1.0", dict.fromkeys(REAL, 1.0)),
    ("3.9", "3.9", dict.fromkeys(REAL, 3.9)),
    ("1e2", "100.0", dict.fromkeys(REAL, 100.0)),
    ("12345678.5", "1.23456785E7", dict.fromkeys(REAL, 12345678.5)),
    ("1e7", "1.0E7", dict.fromkeys(REAL, 1e7)),
    ("9999999.0", "9999999.0", dict.fromkeys(REAL, 9999999.0)),
    ("0.001", "0.001", dict.fromkeys(REAL, 0.001)),
    ("-0.00015", "-1.5E-4", dict.fromkeys(REAL, -0.00015)),
    ("-0.0", "-0.0", dict.fromkeys(REAL, 0.0)),
    ("1e400", "Infinity", dict.fromkeys(REAL, float("inf"))),
    ("1" + "0" * 400, "1" + "0" * 400, dict.fromkeys(REAL, float("inf"))),
    ("99999999999", "99999999999", dict.fromkeys(("long", *REAL), 99999999999)),
    ("true", "true", {"boolean": True}),
    ("false", "false", {"boolean": False}),
    ("[1, 2]", None, {}),
    ("[]", None, {}),
    ('{"a": 1}', None, {}),
)


@pytest.mark.parametrize("kind", ["string", "boolean", *WHOLE, *REAL])
@pytest.mark.parametrize(("value", "text", "others"), VALUES)
def test_values_of_json_are_read_by_their_text_in_java(
    sparkml: Any, value: str, text: str | None, others: dict[str, Any], kind: str
) -> None:
    expected = text if kind == "string" else others.get(kind)
    columns = [{"name": "before", "type": "int"}, column(kind)]
    for body in (f"[[7, {value}]]", f'{{"data": [7, {value}]}}'):
        if expected is None:
            with pytest.raises(BadRequest, match="does not fit the schema: x: "):
                answer(sparkml, body, columns)
        else:
            assert answer(sparkml, body, columns) == [expected]
    nested = [column(kind, struct="array")]
    if expected is not None:
        assert answer(sparkml, f"[[[{value}, null]]]", nested) == [[expected, None]]


def test_null_is_a_missing_value(sparkml: Any) -> None:
    for kind in ("string", "boolean", *WHOLE, *REAL):
        assert answer(sparkml, "[[null]]", [column(kind)]) == [None]
        assert answer(sparkml, "[[null]]", [column(kind)], output=column(kind)) == [None]


@pytest.mark.parametrize("structure", ["vector", "array"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("12\n", CSV, id="a cell"),
        pytest.param("12\n34\n", CSV, id="cells"),
        pytest.param('"1,2"\n', CSV, id="a cell with a comma"),
        pytest.param('["12"]', JSON_LINES, id="a text"),
        pytest.param('[[1, 2]]\n["12"]', JSON_LINES, id="a text after a list"),
        pytest.param('{"data": ["12"]}', JSON, id="data"),
        pytest.param("[12]", JSON, id="a number"),
        pytest.param('[{"1": 5}]', JSON, id="an object"),
        pytest.param('[[{"1": 5}]]', JSON, id="an object in a list"),
        pytest.param("[[[[1]]]]", JSON, id="a list in a list"),
        pytest.param("[[[true]]]", JSON, id="true in a list"),
    ],
)
def test_a_vector_or_an_array_is_a_list_of_numbers(
    sparkml: Any, body: str, content_type: str, structure: str
) -> None:
    """The text 12 is not the numbers 1 and 2."""
    with pytest.raises(BadRequest):
        answer(sparkml, body, [column("double", struct=structure)], content_type)


@pytest.mark.parametrize("structure", ["vector", "array"])
def test_vectors_and_arrays(sparkml: Any, structure: str) -> None:
    columns = [column("double", struct=structure)]
    for body in ('[[1, "2.5"]]', '[[[1, "2.5"]]]'):
        assert answer(sparkml, body, columns) == [[1.0, 2.5]]
    assert answer(sparkml, "[[1]]\n[[2]]", columns, JSON_LINES) == [[1.0], [2.0]]


def test_a_vector_has_no_missing_values(sparkml: Any) -> None:
    with pytest.raises(BadRequest, match="null"):
        answer(sparkml, "[[[1, null]]]", [column("double", struct="vector")])


@pytest.mark.parametrize("blank", [None, "", " ", "basic"])
def test_a_column_without_a_struct_has_single_values(sparkml: Any, blank: Any) -> None:
    assert answer(sparkml, "[[1], [2]]", [column("int", struct=blank)]) == [1, 2]


@pytest.mark.parametrize(
    ("columns", "output"),
    [
        pytest.param([column("int", struct="vector")], None, id="a vector of integers"),
        pytest.param([column("double", struct="matrix")], None, id="an unknown struct"),
        pytest.param([column("decimal")], None, id="an unknown type"),
        pytest.param([column(["int"])], None, id="a type that is a list"),  # type: ignore[arg-type]
        pytest.param([{"name": 5, "type": "int"}], None, id="a name that is a number"),
        pytest.param(["x"], None, id="a column that is a text"),
        pytest.param([column("int")], "x", id="an output that is a text"),
        pytest.param([column("int")], {"type": "int"}, id="an output without a name"),
        pytest.param([column("int")], column(["int"]), id="an output type that is a list"),  # type: ignore[arg-type]
        pytest.param([column("int")], {"name": "y"}, id="no such output"),
    ],
)
def test_a_schema_that_says_nothing_is_the_clients_fault(
    sparkml: Any, columns: Any, output: Any
) -> None:
    with pytest.raises(BadRequest):
        answer(sparkml, "[[1]]", columns, output=output)


@pytest.mark.parametrize(
    ("made", "output", "expected"),
    [
        pytest.param(True, column("boolean"), True, id="true"),
        pytest.param(["a", "b"], column("string", struct="array"), ["a", "b"], id="texts"),
        pytest.param([[1, None]], column("int", struct="array"), [[1, None]], id="nested"),
        pytest.param(Vector([1.5]), column("double", struct="vector"), [1.5], id="a vector"),
        pytest.param(2.7, {"name": "x"}, 2.7, id="no type"),
        pytest.param(2.7, column("int"), None, id="a fraction for an integer"),
        pytest.param(1.0, column("boolean"), None, id="a number for a boolean"),
        pytest.param({"a": 1}, column("string"), None, id="an object for a text"),
    ],
)
def test_outputs_keep_their_values(sparkml: Any, made: Any, output: Any, expected: Any) -> None:
    session = Session(made=made)
    if expected is None:
        with pytest.raises(BadRequest, match="column x does not fit `output` of the schema"):
            answer(sparkml, "[[1]]", [column("int")], output=output, session=session)
    else:
        found = answer(sparkml, "[[1]]", [column("int")], output=output, session=session)
        assert found == [expected]


UNSEEN = Thrown("org.apache.spark.SparkException", "Unseen label: c. To handle\nmore")
FAILED = Thrown("org.apache.spark.SparkException", "Job aborted", Thrown("b", "stage", UNSEEN))


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        pytest.param(
            SparkRefusalError("i does not exist.\nmore"), "i does not exist.", id="schema"
        ),
        pytest.param(JavaError(FAILED), "Unseen label: c. To handle", id="a value"),
        pytest.param(JavaError(Thrown("java.lang.Null", None)), "java.lang.Null", id="no message"),
    ],
)
def test_what_the_pipeline_refuses_is_the_clients_fault(
    sparkml: Any, refusal: Exception, message: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        answer(sparkml, "[[1]]", [column("int")], session=Session(refusal))
    assert caught.value.description == message


@pytest.mark.parametrize("name", ["java.lang.OutOfMemoryError", "java.lang.IllegalStateException"])
def test_a_broken_spark_is_not_the_clients_fault(sparkml: Any, name: str) -> None:
    broken = Session(JavaError(Thrown("org.apache.spark.SparkException", "", Thrown(name, ""))))
    with pytest.raises(JavaError):
        answer(sparkml, "[[1]]", [column("int")], session=broken)
