"""The usual mistakes of people who make their own images: the symptom in evidence, and the cure.

A clause has one hint for all ways to break it. Where its evidence shows one of these symptoms, the
cure of that mistake is the better hint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STARTS = frozenset(["RUN-01", "RUN-02"])
SERVES = frozenset(["RUN-02", "SERVE-01", "SERVE-02", "SERVE-03"])
TRAINS = frozenset(["OUT-01", "CFG-01", "CFG-02", "CFG-03"])
WORKS = STARTS | SERVES | TRAINS
ANSWERS = frozenset(["SERVE-06", "SERVE-07", "BATCH-04", "ASYNC-01"])


@dataclass(frozen=True)
class Mistake:
    """`symptom` is looked for in the evidence of a broken clause, whatever its letters' case."""

    clauses: frozenset[str]
    symptom: str
    cure: str


MISTAKES = (
    Mistake(
        STARTS | {"OUT-01"},
        r"\\r|\^M|\r",
        "the program has Windows line endings: save it with LF, and write `* text=auto eol=lf` "
        "into .gitattributes so that no checkout brings them back",
    ),
    Mistake(
        STARTS | {"OUT-01"},
        r"exec format error",
        "the program is for another processor, or a script without a first line such as "
        "`#!/bin/sh`: add the line, or build with `docker buildx build --platform linux/amd64`",
    ),
    Mistake(
        STARTS,
        r"exec (train|serve) failed",
        "the init program takes the word for the program: put yours behind it, as in "
        'ENTRYPOINT ["tini", "--", "/opt/program/start"]',
    ),
    Mistake(
        STARTS,
        r"executable file not found|: not found",
        "no program of that name is on PATH: COPY it to /usr/local/bin with --chmod=755, or name "
        'your own in ENTRYPOINT ["/opt/program/start"], which then gets the word as its argument',
    ),
    Mistake(
        STARTS,
        r"permission denied|ended with 126",
        "the program may not be executed: COPY it with --chmod=755 (a checkout on Windows loses "
        "the bit; `git update-index --chmod=+x FILE` keeps it)",
    ),
    Mistake(
        STARTS | {"OUT-01"},
        r"exec /\S+: no such file or directory",
        "the program is there, what its first line names is not: mend the `#!` line, or install "
        "that interpreter",
    ),
    Mistake(
        WORKS,
        r"ModuleNotFoundError|ImportError",
        "a module is missing or broken in the image: install it there, with its version pinned",
    ),
    Mistake(
        WORKS | ANSWERS | {"PROC-02"},
        r"network is unreachable|no route to host|name resolution|name or service not known"
        r"|could not resolve host|getaddrinfo|unknownhostexception|no address associated with"
        r"|could not connect to the endpoint url|NameResolutionError",
        "images under test have no network: put what it fetches into the image or a channel; if it "
        "cannot work without one, write `network = true` in images.toml, or give `--network`",
    ),
    Mistake(
        SERVES | ANSWERS | {"SERVE-17"},
        r"read-only file system",
        "the model is mounted read-only: unpack, compile and cache below /tmp",
    ),
    Mistake(
        WORKS,
        r"(permission denied|PermissionError)[^\n]*/opt/ml",
        "/opt/ml belongs to root: leave USER out of the Dockerfile",
    ),
    Mistake(
        WORKS,
        r"/opt/ml/(?!input|model|output|checkpoints)\S*?'?: no such file|"
        r"no such file or directory: '/opt/ml/(?!input|model|output|checkpoints)",
        "what the image holds below /opt/ml is hidden by SageMaker's mounts: COPY it to a folder "
        "of your own, such as /opt/program",
    ),
    Mistake(
        SERVES,
        r"listens on (?:(?:127\.[\d.]+|::1):\d+(?:, )?)+(?![\d:.,])",
        "the server only hears its own container: bind it to 0.0.0.0, port 8080",
    ),
    Mistake(
        SERVES,
        r"listens on (?![^\n;]*:8080\b)",
        "the server listens on another port: make it 8080, or the number in "
        "SAGEMAKER_BIND_TO_PORT where that is set",
    ),
    Mistake(
        SERVES,
        r"GET /ping answered 404",
        "the server has no such route: answer GET /ping with 200 once the model is loaded",
    ),
    Mistake(
        SERVES | ANSWERS,
        r"answered 413",
        "the server in front limits the body: `client_max_body_size 0;` for nginx, "
        "`max_request_size` for Multi Model Server and TorchServe",
    ),
    Mistake(
        SERVES | ANSWERS,
        r"address already in use",
        "two programs want the same port: start one server, and see what it forks",
    ),
    Mistake(
        TRAINS,
        r"unrecognized arguments",
        "SageMaker adds hyperparameters of its own: read with `parse_known_args`, not `parse_args`",
    ),
    Mistake(
        WORKS,
        r"KeyError: '(SM|SAGEMAKER)_",
        "no toolkit is in the image that sets SM_ variables: install sagemaker-training, or read "
        "the files below /opt/ml/input/config",
    ),
    Mistake(
        TRAINS,
        r"'str' object cannot be interpreted|between instances of 'str'|must be (a )?real number, "
        r"not str|unsupported operand type[^\n]*'str'",
        "every hyperparameter arrives as text: convert each to its type, `int(value)`",
    ),
    Mistake(
        WORKS,
        r"must specify a region|NoRegionError",
        "give the client its Region: `boto3.client(…, region_name=os.environ['AWS_REGION'])`",
    ),
    Mistake(
        WORKS | {"DIST-10"},
        r"bus error|/dev/shm|shared memory",
        "shared memory has 64 MB: load data in the main process (`num_workers=0`), or share files "
        "(`torch.multiprocessing.set_sharing_strategy('file_system')`)",
    ),
)  # fmt: skip


def cure(clause: str, evidence: str) -> str | None:
    """What mends the usual mistake that the evidence shows, None if it shows none."""
    for each in MISTAKES:
        if clause in each.clauses and re.search(each.symptom, evidence, re.IGNORECASE):
            return each.cure
    return None
