"""Images that mean harm: each ends in a verdict for its clause, in time, and leaves nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.system import processes
from tests.e2e.mutants import factory
from tests.support.thorough import THOROUGH
from tests.support.waiting import HANG, RUN_HANGS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local

IMPATIENT = """
import sys
from buildkit.engine import limits
from buildkit.cli import main
from buildkit.contract.hosting import client, starting
from buildkit.contract import machine
from buildkit.contract.jobs import endings
machine.MOST = 10**6  # a limit may take long on this machine, and is over some time
limits.DISK = 200 * 1024**2
limits.MEMORY_SHARE = 0.01
limits.PROCESSES = 100
endings.STOP_SECONDS = 20
endings.TRAIN_SECONDS, starting.START_SECONDS, client.INVOCATION_SECONDS = LIMITS
main()
"""
"""The limits of the suite, made small: minutes and gigabytes would prove nothing more."""
SHORT = 15
SERVER = """
import http.server, json, os, socket, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200); self.send_header("Content-Type", "text/csv"); self.end_headers()
        BODY
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """`program` is Python. `evidence` stands in what the clause says. `whole`: the whole smoke test
    meets the program, and not only its clause; `make thorough` has all do that.

    Of the limits of time only that is short which ends this one: the others are for what gets
    somewhere, which takes as long as it takes.
    """

    clause: str
    program: str
    evidence: str
    word: str = "train"
    train: float = HANG
    start: float = HANG
    invocation: float = HANG
    whole: bool = THOROUGH


def serving(
    body: str, clause: str, evidence: str, *, whole: bool = THOROUGH, **limits: float
) -> Hostile:
    program = SERVER.replace("BODY", body)
    return Hostile(
        clause=clause, program=program, evidence=evidence, word="serve", whole=whole, **limits
    )


HOSTILE = {
    "ignores-sigterm": Hostile(
        clause="RUN-08",
        program="import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('begun', flush=True); time.sleep(10**6)",
        evidence="SIGKILL was needed",
        train=SHORT,
    ),
    "forks-without-end": Hostile(
        clause="OUT-01",
        program="import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        evidence="100 processes",
        whole=True,
    ),
    "fills-the-disk": Hostile(
        clause="OUT-01",
        program="n = 0\nwhile True:\n    n += 1\n    open(f'/var/{n}', 'wb').write(bytes(2**20))",
        evidence="GB of disk",
    ),
    "fills-the-volume": Hostile(
        clause="OUT-01",
        program="n = 0\nwhile True:\n    n += 1\n"
        "    open(f'/opt/ml/model/{n}', 'wb').write(bytes(2**20))",
        evidence="GB of disk",
    ),
    "one-large-file": Hostile(
        clause="OUT-01",
        program="f = open('/opt/ml/model/x', 'wb')\nwhile True: f.write(bytes(2**24))",
        evidence="ended with",
    ),
    "takes-all-memory": Hostile(
        clause="OUT-01",
        program="x = []\nwhile True: x.append(bytearray(b'1') * 2**24)",
        evidence="out of memory",
    ),
    "prints-without-end": Hostile(
        clause="OUT-01",
        program="import sys\nwhile True: sys.stdout.write('x' * 10_000_000)",
        evidence="did not end",
        train=SHORT / 3,  # it keeps the engine busy for as long as that
    ),
    "never-listens": Hostile(
        clause="SERVE-01", program="import time\ntime.sleep(10**6)",
        evidence="no HTTP answer from port", word="serve", start=SHORT,
    ),
    "a-byte-a-second": serving(
        "[(self.wfile.write(b'1'), time.sleep(1)) for _ in range(10**6)]",
        "SERVE-06", f"got no answer in {SHORT} s", invocation=SHORT,
    ),
    "a-body-of-5-gb": serving(
        "[self.wfile.write(bytes(2**24)) for _ in range(320)]",
        "SERVE-06", "more than SageMaker passes on",
    ),
    "hangs-up": serving("self.connection.close()", "SERVE-06", "answered 200", whole=True),
}  # fmt: skip
INTERRUPTED = ["forks-without-end", "never-listens"]
if THOROUGH:
    HOSTILE["restarts-itself"] = Hostile(
        clause="SERVE-01",
        program="import os, sys\nos.execv(sys.argv[0], sys.argv)",
        evidence="no HTTP answer from port",
        word="serve",
        start=SHORT,
    )
    INTERRUPTED.append("ignores-sigterm")


@pytest.fixture(scope="module")
def images(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("hostile")
    folders = {}
    for name, hostile in HOSTILE.items():
        (folder / name).mkdir()
        text = f"#!/usr/bin/env python3\n{hostile.program}\n"
        (folder / name / hostile.word).write_text(text)
        (folder / name / "Dockerfile").write_text(
            "FROM python:3.11-slim-bookworm\n"
            f"COPY --chmod=755 {hostile.word} /usr/local/bin/{hostile.word}\n"
        )
        folders[f"buildkit-hostile-{name}:1"] = folder / name
    factory.bake(folders, bases=True)
    yield dict(zip(HOSTILE, folders, strict=True))
    factory.forget(folders)


@pytest.fixture(scope="module")
def verdicts(
    local: Local, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """All of them, some side by side, each by a process of its own."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "request.csv").write_text("1\n")
    (folder / "model").mkdir()
    (folder / "images.toml").write_text(SAMPLES)

    def test(name: str) -> Any:
        hostile = HOSTILE[name]
        limits = (hostile.train, hostile.start, hostile.invocation)
        argv = [
            *(
                sys.executable,
                "-c",
                IMPATIENT.replace("LIMITS", repr(limits)),
                "test",
                images[name],
                "--json",
            ),
            "--profile=smoke" if hostile.whole else f"--clause={hostile.clause}",
            *("--samples=lender*", f"--purpose={PURPOSES[hostile.word]}"),
        ]
        done = subprocess.run(
            argv, cwd=folder, env=local.env, capture_output=True, text=True, timeout=RUN_HANGS
        )
        assert done.returncode == 6, done.stderr
        return json.loads(done.stdout)

    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(HOSTILE, pool.map(test, HOSTILE), strict=True))


PURPOSES = {"train": "training", "serve": "inference"}
SAMPLES = """
[image.lender]
versions = ["1"]
base = "scratch"

[image.lender.samples]
hyperparameters = { a = "1" }
model = "model"

[[image.lender.samples.payload]]
content-type = "text/csv"
body = "request.csv"
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_image_ends_in_a_verdict_for_its_clause(
    verdicts: dict[str, Any], name: str
) -> None:
    report = verdicts[name]
    assert report["verdict"] == "fail"
    (found,) = [each for each in report["clauses"] if each["id"] == HOSTILE[name].clause]
    assert found["status"] == "fail", report
    assert HOSTILE[name].evidence in found["message"]
    assert len(found["message"]) < 20_000


@pytest.mark.parametrize("name", INTERRUPTED)
def test_ctrl_c_ends_the_test_of_a_hostile_image(
    local: Local, images: dict[str, str], tmp_path: Path, name: str
) -> None:
    purpose = f"--purpose={PURPOSES[HOSTILE[name].word]}"
    running = local.start("test", images[name], purpose, folder=tmp_path)
    try:
        wait_until(lambda: images[name] in local.docker("ps", "--format", "{{.Image}}"))
        running.process.send_signal(signal.SIGINT)
        # What forks without end leaves little of two processors for the engine to kill it with.
        assert running.end().code == 130
    finally:
        running.kill()


def test_what_a_killed_run_left_is_swept_by_the_next(
    local: Local, images: dict[str, str], tmp_path: Path
) -> None:
    running = local.start("test", images["never-listens"], "--purpose=inference", folder=tmp_path)
    wait_until(lambda: images["never-listens"] in local.docker("ps", "--format", "{{.Image}}"))
    owner = f"label=buildkit.owner={processes.machine()}/{running.process.pid}"
    # Looked at before: runs of other tests sweep as well.
    assert local.docker("ps", "--quiet", "--filter", owner)
    assert local.docker("volume", "ls", "--quiet", "--filter", owner)
    running.process.kill()
    running.end()
    done = local.buildkit("test", images["never-listens"], "--clause=IMG-01", folder=tmp_path)
    assert done.code == 0
    assert not local.docker("ps", "--all", "--quiet", "--filter", owner)
    assert not local.docker("volume", "ls", "--quiet", "--filter", owner)
