"""Models of a multi-model endpoint, each in a process of its own (MME-02..09).

A process per model keeps their scripts, memory and crashes apart: what is unloaded is gone when the
answer is sent, and one that runs out of memory takes no other with it. Processes are forked from
one that has imported the framework already: loading a model costs little more than the model.
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
    """The service then unloads other models and asks again (MME-02)."""

    code = 507


@dataclass
class Loaded:
    """A model in its process. One request at a time goes through the pipe."""

    url: str
    process: ForkServerProcess
    pipe: Connection
    turn: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """The models that are loaded, by the name that the service gave each."""

    def __init__(self, load: Load, family: str) -> None:
        self._load = load
        self._processes = multiprocessing.get_context("forkserver")
        # `__main__` first: it says where this package is.
        preloaded = ["__main__", f"buildkit_runtime.handlers_{family}"]
        self._processes.set_forkserver_preload(preloaded)
        self._models: dict[str, Loaded | None] = {}
        self._lock = threading.Lock()

    def names(self) -> Iterator[tuple[str, str]]:
        """Name and folder of each, in the order of their names."""
        for name, loaded in sorted(self._models.items()):
            if loaded is not None:
                yield name, loaded.url

    def url(self, name: str) -> str:
        return self._find(name).url

    def load(self, name: str, url: str) -> None:
        """Raise Conflict, InsufficientStorage, or HTTPException with what the model's code said."""
        with self._lock:
            if name in self._models:
                raise Conflict(f"model {name} is loaded")
            self._models[name] = None
        try:
            loaded = self._start(url)
        except BaseException:
            del self._models[name]
            raise
        self._models[name] = loaded

    def unload(self, name: str) -> None:
        """Its memory is free when this returns. Raise NotFound."""
        with self._lock:
            loaded = self._find(name)
            del self._models[name]
        with loaded.turn:
            _end(loaded)

    def invoke(self, name: str, request: Invocation) -> Answer:
        """Raise NotFound, or HTTPException with what the model's code said."""
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
            raise InsufficientStorage(f"{url} is larger than the memory that is left")
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
            if code == -signal.SIGKILL:  # the kernel's way to say that memory is short
                raise InsufficientStorage(
                    f"{url} does not fit into the memory that is left"
                ) from error
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
        raise InsufficientStorage("the memory is used up") from result
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
    """The life of a model's process: load, then answer until the other end is closed."""
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
    """Bytes of all files: a model that is loaded is seldom smaller."""
    return sum(
        (Path(where) / name).stat().st_size for where, _, names in os.walk(folder) for name in names
    )
