"""`serve`: gunicorn with threads in front of the handlers (SERVE-01, SERVE-08, SERVE-15, RUN-09).

If a model cannot be loaded, the server ends with a non-zero exit code and the reason in the log:
/ping never answers 200, and SageMaker need not wait until the start times out (SERVE-04).
"""

from __future__ import annotations

import gc
import importlib
import itertools
import logging
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from buildkit_runtime import hardware, packages, process, source
from buildkit_runtime.application import Service
from buildkit_runtime.failure import JobFailure
from buildkit_runtime.handlers import (
    SUBMIT_DIRECTORY,
    Handlers,
    find_script,
    library,
    load_handlers,
)
from buildkit_runtime.hyperparameters import as_text, decode
from buildkit_runtime.metrics import Meter
from buildkit_runtime.multi_model import MultiModelService
from buildkit_runtime.paths import Paths
from buildkit_runtime.readiness import Readiness
from buildkit_runtime.shelf import Shelf
from buildkit_runtime.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit_runtime.wsgi import Application

logger = logging.getLogger("buildkit_runtime")

# Predictions may wait for a service or a disk. Idle threads cost almost nothing.
_THREADS = 32
# SIGKILL follows SIGTERM after 30 s (RUN-09).
_GRACEFUL_SECONDS = 25
# Longer than clients keep idle connections, so that the server never closes first (SERVE-15).
_KEEP_ALIVE_SECONDS = 75
# Since 25.1, gunicorn listens on a socket in the home folder, too, which nobody uses here.
_CONTROL_OFF = "control_socket_disable"


class Supervisor(Arbiter):  # type: ignore[misc]
    """Starts all workers at once: gunicorn's pauses would delay the first 200 of /ping.

    If a worker ends before its model is loaded, for any reason, the server ends: another worker
    would do the same. A worker that ends later is replaced.
    """

    # Not 3 and 4: with these, a user's code may end a worker that has to be replaced.
    WORKER_BOOT_ERROR = 203
    APP_LOAD_ERROR = 204

    def __init__(self, app: Server) -> None:
        self._stopping = False
        super().__init__(app)

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - gunicorn's own
        self._stopping = True
        self.reap_workers()  # workers that ended meanwhile: no signal comes for them again
        super().stop(graceful)

    def refuse_unloaded(self, worker: Any) -> None:
        """Called by gunicorn for every worker that has ended. Raises HaltServer."""
        if not self._stopping and not self.app.has_loaded(worker.pid):
            raise HaltServer("a worker ended before its model was loaded", 1)

    def seat(self, worker: Any) -> None:
        """Called by gunicorn before it forks a worker: it gets the first seat that is free."""
        # A copy, as gunicorn makes: its handler of SIGCHLD removes workers at any moment.
        taken = {each.seat for each in list(self.WORKERS.values())}
        worker.seat = next(each for each in itertools.count() if each not in taken)
        self.app.meter.take(worker.seat)

    def spawn_workers(self) -> None:
        for _ in range(self.num_workers - len(self.WORKERS)):
            self.spawn_worker()


class Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn, configured only here, not by files or its own variables."""

    def __init__(self, settings: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self._settings = settings
        self._variables = variables
        self._readiness = Readiness(settings["workers"])
        # Twice as many seats: after SIGHUP, new workers are there before the old ones have ended.
        self.meter = Meter(2 * settings["workers"])
        super().__init__()

    def has_loaded(self, worker: int) -> bool:
        return is_multi_model(self._variables) or self._readiness.has(worker)

    def run(self) -> None:
        Supervisor(self).run()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)
        if _CONTROL_OFF in self.cfg.settings:
            self.cfg.set(_CONTROL_OFF, value=True)

    def load(self) -> Application:
        if is_multi_model(self._variables):
            shelf = Shelf(partial(load_model, self._variables), family(self._variables))
            return MultiModelService(shelf, self.meter, default_accept(self._variables))
        service = Service(
            lambda: load_model(self._variables, Paths.from_variables(self._variables).model),
            give_up=leave,
            readiness=self._readiness,
            meter=self.meter,
            concurrency=self._settings["workers"],
            default_accept=default_accept(self._variables),
        )
        service.start_loading()
        return service


def main() -> int:
    # `bin/serve` sets that for this process; the variable is for a framework's (SERVE-17).
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        variables = prepare(dict(os.environ))
        import_framework(variables)
    except JobFailure as error:
        logger.error(error.reason)  # noqa: TRY400 - the reason is written for the user
        return error.code
    try:
        Server(gunicorn_settings(variables), variables).run()
    except HaltServer as error:
        # If two workers fail at the same moment, gunicorn does not handle the second HaltServer.
        logger.error("the server stops: %s", error.reason)  # noqa: TRY400
        return int(error.exit_status)
    return 0


def prepare(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Download the user's script and install its requirements, once for all workers (ITK-03).

    The SDK's models for scikit-learn and XGBoost have their script in S3. After the download,
    SAGEMAKER_SUBMIT_DIRECTORY is a folder. A script in the model is preferred. Raises JobFailure.
    """
    script = find_script(variables, model := Paths.from_variables(variables).model)
    location = as_text(decode(variables.get(SUBMIT_DIRECTORY, "")))
    if script is None and location.startswith("s3://"):
        folder = tempfile.mkdtemp()
        source.fetch(location, Path(folder), variables)
        variables = {**variables, SUBMIT_DIRECTORY: folder}
        script = find_script(variables, model)
        if script is None:
            name = variables.get("SAGEMAKER_PROGRAM") or "inference.py"
            raise JobFailure(
                f"{location} does not contain {name}, the serving script (SAGEMAKER_PROGRAM)"
            )
    if script is not None and library(family(variables), script) is None:
        with process.stop_signals() as stopper:
            packages.install_requirements(script.parent, variables, stopper)
    return variables


def import_framework(variables: Mapping[str, str]) -> None:
    """Import before the workers are forked: it takes time and memory only once.

    The user's script and the model are loaded after the fork, which many do not survive.
    """
    with process.stop_signals():
        importlib.import_module(f"buildkit_runtime.handlers_{family(variables)}")
    # Requests with many values run the garbage collector often; it skips what is imported now.
    gc.freeze()


def is_multi_model(variables: Mapping[str, str]) -> bool:
    """Whether this is a multi-model endpoint (MME-01)."""
    return variables.get("SAGEMAKER_MULTI_MODEL", "").strip().lower() == "true"


def family(variables: Mapping[str, str]) -> str:
    return variables.get("BUILDKIT_HANDLERS") or "plain"


def default_accept(variables: Mapping[str, str]) -> str:
    return variables.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")


def load_model(variables: Mapping[str, str], model: Path) -> tuple[Handlers, Any]:
    script = find_script(variables, model)
    logger.info("serving %s with %s", model, script or f"the {family(variables)} handlers")
    handlers = load_handlers(family(variables), script)
    return handlers, handlers.model_fn(str(model))


def leave() -> None:
    """End this worker from any thread, and with it the server."""
    logging.shutdown()
    os._exit(1)


def gunicorn_settings(variables: Mapping[str, str]) -> dict[str, Any]:
    port = positive(variables, "SAGEMAKER_BIND_TO_PORT", 8080)
    workers = positive(variables, "SAGEMAKER_MODEL_SERVER_WORKERS", hardware.count_cpus())
    return {
        "bind": f"0.0.0.0:{port}",
        "worker_class": Worker,
        # One worker has the list of all models, which have their own processes.
        "workers": 1 if is_multi_model(variables) else workers,
        "threads": _THREADS,
        "graceful_timeout": _GRACEFUL_SECONDS,
        "keepalive": _KEEP_ALIVE_SECONDS,
        # Workers answer in threads: this limit would only end one that computes in C without a
        # break, which is slow, not stuck: predictions may take an hour (SERVE-07).
        "timeout": positive(variables, "SAGEMAKER_MODEL_SERVER_TIMEOUT", 0),
        "worker_tmp_dir": scratch_folder(),
        "proc_name": "serve",
        "pre_fork": Supervisor.seat,
        "child_exit": Supervisor.refuse_unloaded,
    }


def positive(variables: Mapping[str, str], name: str, default: int) -> int:
    """A variable as a number; other values are logged and ignored (SERVE-18)."""
    text = variables.get(name, "").strip()
    if text.isdecimal() and int(text) > 0:
        return int(text)
    if text:
        logger.warning("%s=%s is not a positive number, using %s", name, text, default)
    return default


def scratch_folder() -> str:
    """Shared memory if there is some (not in serverless): heartbeats on a slow disk can stall."""
    memory = Path("/dev/shm")  # noqa: S108
    return str(memory) if os.access(memory, os.W_OK | os.X_OK) else tempfile.gettempdir()
