"""Models of a multi-model endpoint, each in its own process (MME-02..09).

Processes keep the scripts, memory and crashes of models apart: an unloaded model is gone when the
answer is sent, and a model that runs out of memory does not end others. Processes are forked from
one that has imported the framework: loading a model takes little more than the model itself.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from werkzeug.exceptions import Conflict, HTTPException, InternalServerError, NotFound

from buildkit_runtime import hardware
from buildkit_runtime.handlers import Answer, Handlers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess
    from typing import Any

    from buildkit_runtime.invocation import Invocation

    Load = Callable[[Path], tuple[Handlers, Any]]

logger = logging.getLogger("buildkit_runtime")

_STOP_SECONDS = 5


class InsufficientStorage(HTTPException):
    """SageMaker then unloads other models and tries again (MME-02)."""

    code = 507


@dataclass
class Loaded:
    """A model and its process. The pipe carries one request at a time."""

    url: str
    process: ForkServerProcess
    pipe: Connection
    turn: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """The loaded models, by the names that SageMaker has given them."""

    def __init__(self, load: Load, family: str) -> None:
        self._load = load
        self._processes = multiprocessing.get_context("forkserver")
        # `__main__` first: it sets the path of this package.
        preloaded = ["__main__", f"buildkit_runtime.handlers_{family}"]
        self._processes.set_forkserver_preload(preloaded)
        self._models: dict[str, Loaded | None] = {}
        self._lock = threading.Lock()

    def names(self) -> Iterator[tuple[str, str]]:
        """Name and folder of each model, sorted by name."""
        for name, loaded in sorted(self._models.items()):
            if loaded is not None:
                yield name, loaded.url

    def url(self, name: str) -> str:
        return self._find(name).url

    def load(self, name: str, url: str) -> None:
        """Raises Conflict, InsufficientStorage, or HTTPException with the error of the model."""
        with self._lock:
            if name in self._models:
                raise Conflict(f"model {name} is already loaded")
            self._models[name] = None
        try:
            loaded = self._start(url)
        except BaseException:
            del self._models[name]
            raise
        self._models[name] = loaded

    def unload(self, name: str) -> None:
        """End the model's process; its memory is free afterwards. Raises NotFound."""
        with self._lock:
            loaded = self._find(name)
            del self._models[name]
        with loaded.turn:
            _end(loaded)

    def invoke(self, name: str, request: Invocation) -> Answer:
        """Raises NotFound, or HTTPException with the error of the model."""
        loaded = self._find(name)
        with loaded.turn:
            try:
                loaded.pipe.send(request)
                return _received(loaded.pipe)
            except (EOFError, OSError) as error:
                with self._lock:
                    if self._models.get(name) is loaded:
                        del self._models[name]
                raise InternalServerError(f"the process of model {name} has ended") from error

    def _find(self, name: str) -> Loaded:
        loaded = self._models.get(name)
        if loaded is None:
            raise NotFound(f"model {name} is not loaded")
        return loaded

    def _start(self, url: str) -> Loaded:
        free = hardware.free_memory()
        if free is not None and _size(Path(url)) > free:
            raise InsufficientStorage(f"{url} is larger than the free memory")
        ours, theirs = self._processes.Pipe()
        process = self._processes.Process(
            target=_serve, args=(self._load, Path(url), theirs), daemon=True
        )
        process.start()
        theirs.close()
        loaded = Loaded(url=url, process=process, pipe=ours)
        try:
            _received(ours)
        except EOFError as error:
            process.join(_STOP_SECONDS)
            code = process.exitcode
            _end(loaded)
            if code == -signal.SIGKILL:  # the kernel kills a process if memory is short
                raise InsufficientStorage(f"{url} does not fit into the free memory") from error
            raise InternalServerError(
                f"{url} cannot be loaded: its process ended with {code}"
            ) from error
        except BaseException:
            _end(loaded)
            raise
        return loaded


def _received(pipe: Connection) -> Answer:
    result: Answer | MemoryError | tuple[int, str] = pipe.recv()
    if isinstance(result, MemoryError):
        raise InsufficientStorage("out of memory") from result
    if isinstance(result, tuple):
        refusal = HTTPException(result[1])
        refusal.code = result[0]
        raise refusal
    return result


def _end(loaded: Loaded) -> None:
    loaded.pipe.close()
    loaded.process.join(_STOP_SECONDS)
    if loaded.process.is_alive():
        loaded.process.kill()
        loaded.process.join()
    loaded.process.close()


def _serve(load: Load, folder: Path, pipe: Connection) -> None:
    """The main function of a model's process: load, then answer until the pipe is closed."""
    try:
        handlers, model = load(folder)
        pipe.send(Answer(b"", ""))
        while True:
            request = pipe.recv()
            pipe.send(_answered(request, handlers, model))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except MemoryError as error:
        pipe.send(error)
    except BaseException as error:
        logger.exception("%s cannot be loaded", folder)
        with contextlib.suppress(OSError):
            pipe.send((500, f"{type(error).__name__}: {error}"))


def _answered(request: Invocation, handlers: Handlers, model: Any) -> Answer | tuple[int, str]:
    try:
        return handlers.answer(model, request)
    except HTTPException as error:
        return error.code or 500, error.description or error.name
    except BaseException as error:
        logger.exception("the request failed")
        return 500, f"{type(error).__name__}: {error}"


def _size(folder: Path) -> int:
    """Bytes of all files: a loaded model is seldom smaller."""
    return sum(
        (Path(where) / name).stat().st_size for where, _, names in os.walk(folder) for name in names
    )
