"""The functions that serve a model: the user's, or else the image's defaults (ITK-04)."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from werkzeug.exceptions import BadRequest, HTTPException

from buildkit_runtime import content, context
from buildkit_runtime.hyperparameters import as_text, decode
from buildkit_runtime.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from buildkit_runtime.content import Body
    from buildkit_runtime.context import Context
    from buildkit_runtime.invocation import Invocation

logger = logging.getLogger("buildkit_runtime")

SUBMIT_DIRECTORY = "SAGEMAKER_SUBMIT_DIRECTORY"
_LOADING = ("pre_model_fn", "model_fn", "model_warmup_fn")
_STEPS = ("input_fn", "predict_fn", "output_fn")


class HandlerError(Exception):
    """The handlers cannot serve this model. The text says what to change."""


@dataclass(frozen=True)
class Answer:
    body: bytes
    content_type: str
    status: int = 200


@dataclass(frozen=True)
class Loaded:
    """A model, and the context for the functions of the user."""

    model: Any
    context: Context


@dataclass(frozen=True)
class Handlers:
    """How to load a model from its folder, and how to answer a request with it.

    `by_record`: the answer to a body of several records has one line per record (BATCH-05).
    """

    model_fn: Callable[[str], Any]
    answer: Callable[[Any, Invocation], Answer]
    by_record: bool = True


def load_handlers(family: str, script: Path | None) -> Handlers:
    """The handlers of a family of images (`BUILDKIT_HANDLERS`), with the functions of the script.

    A family whose scripts have other functions than `model_fn` etc. has its own `combine`.
    """
    defaults = importlib.import_module(f"buildkit_runtime.handlers_{family}")
    own = vars(import_script(script, library(family, script))) if script else {}
    combined = getattr(defaults, "combine", None)
    return combined(own) if combined else combine(vars(defaults), own)


def combine(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> Handlers:
    """The default functions, replaced by those that the script defines.

    If a client accepts any type, a script's own functions get JSON as the type, as in AWS's
    containers (ITK-02); the defaults answer in the type of the request.
    """
    merged = {**defaults, **{name: own[name] for name in (*_LOADING, *_STEPS) if name in own}}
    accept = content.JSON if own.keys() & {"output_fn", "transform_fn"} else ""
    if "transform_fn" not in own:
        steps = _in_steps(merged, ours="input_fn" not in own)
        return Handlers(_loading(merged), _transforming(steps, accept))
    mixed = [name for name in _STEPS if name in own]
    if mixed:
        raise HandlerError(f"transform_fn replaces {', '.join(mixed)}: define one or the other")
    return Handlers(_loading(merged), _transforming(own["transform_fn"], accept))


def _loading(functions: Mapping[str, Any]) -> Callable[[str], Loaded]:
    """Load a model, and call the functions before and after that."""
    before, load, after = (
        context.offered(functions.get(name, lambda *_: None), arguments)
        for name, arguments in zip(_LOADING, (1, 1, 2))
    )

    def model_fn(model_dir: str) -> Loaded:
        surroundings = context.of_model(model_dir)
        before(model_dir, surroundings)
        model = load(model_dir, surroundings)
        after(model_dir, model, surroundings)
        return Loaded(model, surroundings)

    return model_fn


def _transforming(
    transform_fn: Callable[..., Any], left_open: str
) -> Callable[[Loaded, Invocation], Answer]:
    transform = context.offered(transform_fn, 4)

    def answer(loaded: Loaded, wanted: Invocation) -> Answer:
        content_type, charset = content.parse_content_type(wanted.content_type)
        default = wanted.default_accept or left_open
        accept = content.choose_accept(wanted.accept, content_type, default)
        body = content.to_body(wanted.data, content_type, charset)
        about = context.of_request(loaded.context, wanted)
        return to_answer(transform(loaded.model, body, content_type, accept, about), accept)

    return answer


def _in_steps(functions: Mapping[str, Any], *, ours: bool) -> Callable[..., Any]:
    """`ours`: the default `input_fn` reads the body; it accepts texts that the model may not."""
    read, predict, write = (context.offered(functions[name], 2) for name in _STEPS)

    def transform(model: Any, body: Body, content_type: str, accept: str, about: Context) -> Any:
        try:
            data = read(body, content_type, about)
        except HTTPException:
            raise
        except Exception as error:
            # Of any type: a body that input_fn cannot read is an error of the client (SERVE-14).
            logger.info("input_fn refused the request", exc_info=error)
            raise BadRequest(f"input_fn: {type(error).__name__}: {error}") from error
        try:
            prediction = predict(data, model, about)
        except (TypeError, ValueError) as error:
            if not ours or not _holds_text(data):
                raise
            # If the model computes only with numbers, a text is an error of the client too.
            logger.info("predict_fn refused texts", exc_info=error)
            raise content.bad_request(error, "predict_fn: ") from error
        return write(prediction, accept, about)

    return transform


def _holds_text(data: Any) -> bool:
    if isinstance(data, list):
        return content.holds_text(data)
    return getattr(getattr(data, "dtype", None), "kind", "") == "O"


def to_answer(result: Any, accept: str) -> Answer:
    """The answer of a function of the user: a body, or a pair of body and content type."""
    body, content_type = result if isinstance(result, tuple) else (result, accept)
    if isinstance(body, str):
        try:
            body = body.encode("utf-8")
        except UnicodeEncodeError as error:
            found = ascii(body[error.start])
            raise HandlerError(f"cannot answer with {found}, an unpaired surrogate") from error
    if not isinstance(body, (bytes, bytearray)):
        raise HandlerError(f"output_fn must return text or bytes, not {type(body).__name__}")
    return Answer(bytes(body), content_type)


def only_file(folder: Path, names: Sequence[str]) -> Path:
    """The file with the first of these names, else the only file that matches another."""
    preferred = folder / names[0]
    if preferred.is_file():
        return preferred
    found = sorted(path for name in names[1:] for path in folder.glob(name))
    if len(found) != 1:
        wanted = f"`{names[0]}`, or one of {' or '.join(names[1:])}"
        listed = ", ".join(path.name for path in found) or "none"
        raise HandlerError(f"expected {wanted}, in {folder}; found {listed}")
    return found[0]


def find_script(variables: Mapping[str, str], model: Path) -> Path | None:
    """The user's script. None if there is none: SAGEMAKER_PROGRAM may be for training (SERVE-18).

    Models of a multi-model endpoint that contain no script share the script beside them.
    """
    given = Path(as_text(decode(variables.get(SUBMIT_DIRECTORY, ""))))
    folders: tuple[Path, ...] = (model / "code", Paths.from_variables(variables).models / "code")
    if given.is_absolute() and given.is_dir():
        folders = (given,)
    named = as_text(decode(variables.get("SAGEMAKER_PROGRAM", "")))
    name = named or "inference.py"
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    there = next((folder for folder in folders if folder.is_dir()), None)
    if found is None and named and there:
        logger.warning(
            "%s (SAGEMAKER_PROGRAM) not found in %s: using the default handlers", named, there
        )
    return found


def library(family: str, script: Path) -> Path | None:
    """The folder of packages beside a script for TensorFlow; with it, none are installed.

    https://github.com/aws/sagemaker-tensorflow-serving-container
    """
    folder = script.parent / "lib"
    return folder if family == "tensorflow" and folder.is_dir() else None


def import_script(path: Path, packages: Path | None = None) -> ModuleType:
    """Import a file, which can import the modules beside it, and the packages."""
    sys.path[:0] = [str(folder) for folder in (path.parent, packages) if folder]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise HandlerError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
