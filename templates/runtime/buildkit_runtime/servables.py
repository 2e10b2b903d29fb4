"""SavedModels in their folders, and the methods of TensorFlow Serving's REST API.

Models run in a session, as in TensorFlow Serving: a session accepts any shape that the operations
accept, and graphs of TensorFlow 1 that cannot become functions of TensorFlow 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions
from werkzeug.exceptions import BadRequest, NotFound

from buildkit_runtime import content, rest
from buildkit_runtime.handlers import HandlerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from buildkit_runtime.rest import Wanted

_DEFAULT_SIGNATURE = "serving_default"
_NUMBERS = "biuf"


@dataclass(frozen=True)
class Signature:
    """`method` is that of the REST API. `run` takes one array per input, in their order."""

    method: str
    inputs: Mapping[str, tf.DType]
    outputs: Sequence[str]
    run: Callable[..., Sequence[np.ndarray]]


@dataclass(frozen=True)
class Servables:
    """The signatures of all versions of all models; requests need not name the default model."""

    models: Mapping[str, Mapping[int, Mapping[str, Signature]]]
    default: str

    def answer(self, wanted: Wanted, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request. Raises HTTPException."""
        versions = self.models.get(wanted.model or self.default)
        if versions is None:
            raise NotFound(f"model {wanted.model} not found; models: {', '.join(self.models)}")
        number = int(wanted.version) if wanted.version.isdecimal() else max(versions)
        if number not in versions:
            raise NotFound(f"model {wanted.model or self.default} has no version {number}")
        if wanted.method not in rest.METHODS:
            raise BadRequest(f"unknown method {wanted.method}; use {', '.join(rest.METHODS)}")
        signatures = versions[number]
        name = request.get("signature_name") or _default(signatures, wanted.method)
        if name not in signatures:
            raise BadRequest(f"signature {name} not found; signatures: {', '.join(signatures)}")
        signature = signatures[name]
        if wanted.method == "predict":
            return _predict(signature, request)
        return _examples(signature, request, wanted.method)


def load(folder: Path, default: str = "") -> Servables:
    """All `<name>/<version>/saved_model.pb` below a folder, at any depth. Raises HandlerError."""
    found: dict[str, dict[int, dict[str, Signature]]] = {}
    for path in sorted(folder.rglob("saved_model.pb")):
        version = path.parent
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if version.name.isdecimal() and not hidden:
            found.setdefault(version.parent.name, {})[int(version.name)] = _open(version)
    if not found:
        raise HandlerError(f"no <name>/<version>/saved_model.pb in {folder}")
    if default and default not in found:
        raise HandlerError(f"model {default} not found in {folder}; models: {', '.join(found)}")
    return Servables(found, default or next(iter(found)))


def _open(version: Path) -> dict[str, Signature]:
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        tags = [tf.saved_model.SERVING]
        loaded = tf.compat.v1.saved_model.load(session, tags, str(version))
    return {
        name: _signature(session, definition)
        for name, definition in loaded.signature_def.items()
        # Others are internal to the loader, or have tensors that the REST API cannot name.
        if definition.method_name
        and all(
            each.name for part in (definition.inputs, definition.outputs) for each in part.values()
        )
    }


def _signature(session: Any, definition: Any) -> Signature:
    inputs = {name: info.name for name, info in definition.inputs.items()}
    outputs = {name: info.name for name, info in definition.outputs.items()}
    options = CallableOptions(feed=inputs.values(), fetch=outputs.values())
    # The public API refuses shapes that the graph does not declare, even if it accepts them.
    run = session._make_callable_from_options(options)  # noqa: SLF001
    types = {name: session.graph.get_tensor_by_name(of).dtype for name, of in inputs.items()}
    return Signature(definition.method_name.rpartition("/")[2], types, tuple(outputs), run)


def _default(signatures: Mapping[str, Signature], method: str) -> str:
    """The default of TensorFlow Serving, or a signature for the method if that is for another."""
    fitting = [name for name, signature in signatures.items() if signature.method == method]
    if _DEFAULT_SIGNATURE in (fitting or signatures):
        return _DEFAULT_SIGNATURE
    return next(iter([*fitting, *signatures]), "")


def _predict(signature: Signature, request: Mapping[str, Any]) -> dict[str, Any]:
    by_row = "instances" in request
    if not by_row and "inputs" not in request:
        raise BadRequest("neither `instances` nor `inputs` in the request")
    names = list(signature.inputs)
    columns = _columns(request["instances"], names) if by_row else _inputs(request["inputs"], names)
    outputs = _call(signature, columns)
    if not by_row:
        plain = {name: _plain(name, value) for name, value in outputs.items()}
        return {"outputs": next(iter(plain.values())) if len(plain) == 1 else plain}
    return {"predictions": _rows(outputs, len(request["instances"]))}


def _columns(instances: Any, names: Sequence[str]) -> dict[str, Any]:
    """Values by instance -> values by input."""
    if not isinstance(instances, list) or not instances:
        raise BadRequest("`instances` is not a list with at least one element")
    if not isinstance(instances[0], dict):
        return {_only(names): instances}
    for number, each in enumerate(instances):
        if not isinstance(each, dict) or each.keys() != instances[0].keys():
            raise BadRequest(f"instance {number} has other keys than the first")
    return {name: [each[name] for each in instances] for name in instances[0]}


def _inputs(inputs: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(inputs, dict):
        return dict(inputs)
    return {_only(names): inputs}


def _only(names: Sequence[str]) -> str:
    if len(names) != 1:
        raise BadRequest(f"the model has {len(names)} inputs: name them, {', '.join(names)}")
    return names[0]


def _call(signature: Signature, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    names = signature.inputs
    if columns.keys() != names.keys():
        raise BadRequest(f"the model's inputs are {', '.join(names)}, not {', '.join(columns)}")
    try:
        # Unlike numpy, this does not convert texts to numbers, or fractions to integers.
        arrays = [tf.constant(columns[name], dtype=of).numpy() for name, of in names.items()]
        outputs = signature.run(*arrays)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise content.bad_request(error) from error
    return dict(zip(signature.outputs, map(np.asarray, outputs)))


def _rows(outputs: Mapping[str, np.ndarray], count: int) -> list[Any]:
    for name, value in outputs.items():
        if value.ndim == 0 or len(value) != count:
            raise BadRequest(
                f"output {name} does not have one value per instance: send `inputs` instead"
            )
    plain = {name: _plain(name, value) for name, value in outputs.items()}
    if len(plain) == 1:
        return list(next(iter(plain.values())))
    return [{name: values[row] for name, values in plain.items()} for row in range(count)]


def _plain(name: str, value: np.ndarray) -> Any:
    if value.dtype.kind in _NUMBERS:
        return value.tolist()
    return rest.encoded(value.tolist(), as_bytes=name.endswith("_bytes"))


def _examples(signature: Signature, request: Mapping[str, Any], method: str) -> dict[str, Any]:
    """`classify` and `regress` pass serialized examples to the model."""
    examples, shared = request.get("examples"), request.get("context") or {}
    if not isinstance(examples, list) or not examples or not isinstance(shared, dict):
        raise BadRequest("`examples` is not a list with at least one element")
    serialized = [_example({**shared, **_object(each)}) for each in examples]
    outputs = _call(signature, {_only(list(signature.inputs)): serialized})
    if method == "regress":
        return {"results": np.ravel(next(iter(outputs.values()))).tolist()}
    count = len(examples)
    scores = outputs["scores"].tolist() if "scores" in outputs else None
    width = np.size(next(iter(outputs.values()))) // count
    classes = outputs.get("classes", np.broadcast_to(np.arange(width).astype(str), (count, width)))
    return {
        "results": [
            [
                [rest.encoded(label, as_bytes=False), None if scores is None else scores[row][at]]
                for at, label in enumerate(classes[row].tolist())
            ]
            for row in range(count)
        ]
    }


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("an example is not an object of features")
    return value


def _example(features: Mapping[str, Any]) -> bytes:
    return bytes(
        tf.train.Example(
            features=tf.train.Features(
                feature={name: _feature(value) for name, value in features.items()}
            )
        ).SerializeToString()
    )


def _feature(value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    if all(isinstance(each, int) for each in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    if all(isinstance(each, (int, float)) for each in values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if not all(isinstance(each, (str, bytes)) for each in values):
        raise BadRequest("a feature must be a number, a text, or a list of one type")
    texts = [each.encode() if isinstance(each, str) else each for each in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
