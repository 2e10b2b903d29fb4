"""Common mistakes in images: the symptom in the evidence of a clause, and the fix.

A clause has one hint for all ways to break it. Where its evidence shows one of these symptoms, the
fix of that mistake is the better hint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STARTS = frozenset(["RUN-01", "RUN-02"])
SERVES = frozenset(["RUN-02", "SERVE-01", "SERVE-02", "SERVE-03"])
TRAINS = frozenset(["OUT-01", "CFG-01", "CFG-02", "CFG-03"])
WORKS = STARTS | SERVES | TRAINS
ANSWERS = frozenset(["SERVE-06", "SERVE-07", "BATCH-04", "ASYNC-01"])
STOPS = frozenset(["RUN-08", "RUN-09", "RUN-10"])


@dataclass(frozen=True)
class Mistake:
    """`symptom` is a pattern for the evidence of a broken clause, in upper or lower case.

    `breaks` is the clause that explains the mistake, where the evidence belongs to another.
    """

    clauses: frozenset[str]
    symptom: str
    cure: str
    breaks: str = ""


MISTAKES = (
    Mistake(
        SERVES | ANSWERS,
        r"WORKER TIMEOUT|Worker \(pid:\d+\) was sent SIG(KILL|ABRT)",
        "gunicorn kills a worker that is busy for longer than its time-out of 30 s, also while it "
        "loads the model: load at import instead of in the first request and start gunicorn with "
        "`--preload`, or raise `--timeout`",
        "SERVE-03",
    ),
    Mistake(
        SERVES | ANSWERS,
        r"\(111: Connection refused\) while connecting to upstream|connect\(\) to \S+ failed|"
        r"no live upstreams|upstream prematurely closed|answered 50[24][^\n]*nginx",
        "nginx runs, but the program behind it does not answer: read the log of that program, "
        "start it before nginx, point `proxy_pass` at the address on which it listens, and end the "
        "container when it ends",
    ),
    Mistake(
        frozenset(["SERVE-03"]),
        r"accepts connections, but does not answer",
        "the server listens but does not answer: load the model before the server listens, or in "
        "another thread or worker, and let no other work block GET /ping",
    ),
    Mistake(
        STARTS,
        r"; \S+ is a folder",
        "a folder on PATH has the name of the program: COPY the program itself there, with "
        "--chmod=755, or remove the folder",
    ),
    Mistake(
        STARTS | {"OUT-01"},
        r"\\r|\^M|\r",
        "the program has Windows line endings: save it with LF, and write `* text=auto eol=lf` "
        "into .gitattributes so that no checkout converts it again",
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
        "the init program runs the word as a program: put your program after it, as in "
        'ENTRYPOINT ["tini", "--", "/opt/program/start"]',
    ),
    Mistake(
        STARTS,
        r"uids and gids must be|unable to find (user|group)|no matching entries in|"
        r"invalid (user|group|uid|gid)",
        "the image's USER does not exist in the image, or is out of range: remove USER from the "
        "Dockerfile, as SageMaker expects root",
        "IMG-05",
    ),
    Mistake(
        STARTS,
        r"; PATH is ''",
        "the image's PATH is empty: remove `ENV PATH=` from the Dockerfile, or write "
        "`ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`",
    ),
    Mistake(
        STARTS,
        r"(?s)cannot lay out the container: copying into /opt/ml|"
        r"resolve mount destination[^\n]*/opt/ml",
        "/opt, or a path below /opt/ml, is not a folder in the image: remove the line of the "
        "Dockerfile that creates it",
        "IMG-06",
    ),
    Mistake(
        STARTS,
        r"cannot lay out the container: creating a container of[^\n]*(mkdir|not a directory)",
        "a path that the container needs as a folder, such as its WORKDIR, is a file in the image: "
        "remove the file, or set WORKDIR to a folder",
    ),
    Mistake(
        STARTS,
        r"executable file not found|: not found",
        "no program of that name is on PATH: COPY one to /usr/local/bin with --chmod=755, or set "
        'ENTRYPOINT ["/opt/program/start"], which then gets the word as its argument',
    ),
    Mistake(
        STARTS,
        r"permission denied|ended with 126",
        "the program is not executable: COPY it with --chmod=755 (a checkout on Windows loses "
        "the bit; `git update-index --chmod=+x FILE` keeps it)",
    ),
    Mistake(
        STARTS | {"OUT-01"},
        r"exec /\S+: no such file or directory",
        "the program exists, but the interpreter in its first line does not: fix the `#!` line, or "
        "install that interpreter",
    ),
    Mistake(
        WORKS,
        r"ModuleNotFoundError|ImportError",
        "a module is missing or broken in the image: install it with a pinned version",
    ),
    Mistake(
        WORKS | ANSWERS | {"PROC-02"},
        r"network is unreachable|no route to host|name resolution|name or service not known"
        r"|could not resolve host|getaddrinfo|unknownhostexception|no address associated with"
        r"|could not connect to the endpoint|NameResolutionError|max retries exceeded"
        r"|NoCredentialsError|unable to locate credentials",
        "images under test have no network: put what the program downloads into the image or a "
        "channel; if the image needs a network, set `network = true` in images.toml, or pass "
        "`--network`",
        "ISO-01",
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
        "IMG-05",
    ),
    Mistake(
        WORKS,
        r"/opt/ml/(?!input|model|output|checkpoints)\S*?'?: no such file|"
        r"no such file or directory: '/opt/ml/(?!input|model|output|checkpoints)",
        "SageMaker's mounts hide what the image holds below /opt/ml: COPY it to another folder, "
        "such as /opt/program",
    ),
    Mistake(
        SERVES,
        r"listens on (?:(?:127\.[\d.]+|::1):\d+(?:, )?)+(?![\d:.,])",
        "the server only accepts connections from its own container: bind it to 0.0.0.0, port 8080",
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
        "two programs bind the same port: start one server only, and check what it forks",
    ),
    Mistake(
        TRAINS,
        r"unrecognized arguments",
        "SageMaker adds hyperparameters of its own: read with `parse_known_args`, not `parse_args`",
        "CFG-03",
    ),
    Mistake(
        WORKS,
        r"KeyError: '(SM|SAGEMAKER)_",
        "SageMaker sets no SM_ variables, a toolkit does: install sagemaker-training, or read the "
        "files below /opt/ml/input/config",
        "ENV-01",
    ),
    Mistake(
        TRAINS,
        r"'str' object cannot be interpreted|between instances of 'str'|must be (a )?real number, "
        r"not str|unsupported operand type[^\n]*'str'",
        "every hyperparameter arrives as text: convert each to its type, `int(value)`",
        "CFG-01",
    ),
    Mistake(
        WORKS,
        r"must specify a region|NoRegionError",
        "give the client its Region: `boto3.client(…, region_name=os.environ['AWS_REGION'])`",
        "ENV-03",
    ),
    Mistake(
        WORKS | {"DIST-10"},
        r"bus error|SIGBUS|/dev/shm|shared memory|DataLoader worker [^\n]*killed",
        "shared memory has 64 MB: load data in the main process (`num_workers=0`), or share files "
        "(`torch.multiprocessing.set_sharing_strategy('file_system')`)",
        "DIST-10",
    ),
    Mistake(
        WORKS,
        r"EOF when reading a line|inappropriate ioctl|not a (tty|terminal)|TERM environment "
        r"variable not set",
        "the container has no terminal and no input: take answers from hyperparameters or "
        "variables, and ask only `if sys.stdin.isatty()`",
        "RUN-07",
    ),
    Mistake(
        TRAINS,
        r"KeyError: '(S3Uri|S3DataSource|DataSource)'|s3_?uri[^\n]*(missing|none|null|not found)",
        "inputdataconfig.json has no S3 address: read the files below /opt/ml/input/data/<channel>",
        "CFG-04",
    ),
    Mistake(
        TRAINS,
        r"JSONDecodeError|is not valid JSON|invalid JSON",
        "a hyperparameter may be bare text: decode with json.loads, and on ValueError use the text "
        "as it is",
        "CFG-02",
    ),
    Mistake(
        TRAINS,
        r"KeyError: |no such option|missing hyperparameter",
        "the program reads a key that SageMaker does not send, or that the samples lack: give each "
        "hyperparameter a default",
        "CFG-01",
    ),
    Mistake(
        TRAINS,
        r"(no such file or directory|FileNotFoundError)[^\n]*/opt/ml/input|"
        r"/opt/ml/input\S*: no such file",
        "the program reads a path that SageMaker does not create: a channel's files are below "
        "/opt/ml/input/data/<channel>, under the names that they have in the samples",
        "TREE-01",
    ),
    Mistake(
        WORKS | ANSWERS | {"SERVE-05"},
        r"out of memory|MemoryError|SIGKILL: often",
        "the container ran out of memory: keep less data in memory, start fewer workers, or choose "
        "an instance with more memory",
    ),
    Mistake(
        WORKS | ANSWERS | {"SERVE-05"},
        r"SIGSEGV|SIGILL|SIGABRT|SIGFPE",
        "native code crashed: find the library that is built for another processor or other "
        "versions, and install all libraries from one source; `faulthandler.enable()` shows where "
        "Python was",
    ),
    Mistake(
        frozenset(["OUT-01"]),
        r"; its reason in /opt/ml/output/failure is ",
        "training on the samples fails, and the exit code reports that correctly: fix what the "
        "reason names; then check the hyperparameters and channels of the samples",
    ),
    Mistake(
        frozenset(["OUT-01"]),
        r"^`train` on the samples (ended with|did not end)",
        "training on the samples fails, and the exit code reports that correctly: find the cause "
        "in the last lines; then check the hyperparameters and channels of the samples",
    ),
    Mistake(
        frozenset(["OUT-02"]),
        r"left a failure file behind",
        "write /opt/ml/output/failure only when training fails, and remove one that an earlier "
        "attempt left when it succeeds",
    ),
    Mistake(
        frozenset(["OUT-02"]),
        r"; /opt/ml/output/failure is ",
        "write the cause to a regular file, as links and pipes are not read: first remove what is "
        "at /opt/ml/output/failure",
    ),
    Mistake(
        frozenset(["OUT-02"]),
        r"; found /opt/ml/",
        "write the cause to /opt/ml/output/failure, a file without a suffix",
    ),
    Mistake(
        frozenset(["OUT-02"]),
        r"is not UTF-8|says nothing|begins with a traceback",
        "write plain text in UTF-8 to /opt/ml/output/failure, and begin with the cause: its first "
        "1024 characters are what a user sees",
    ),
    Mistake(
        frozenset(["IMG-06", "OUT-03", "TREE-03"]),
        r"^in the image \S+ is not a folder",
        "remove the line of the Dockerfile that creates it (`ln -s`, `mkfifo`, COPY), or create a "
        "folder with `mkdir`: SageMaker mounts its volumes over folders",
    ),
    Mistake(
        frozenset(["IMG-06"]),
        r"^the image holds \S+, a (link|pipe|device|socket)",
        "remove the line of the Dockerfile that creates it: SageMaker fills /opt/ml/input and "
        "/opt/ml/output itself",
    ),
    Mistake(
        frozenset(["SERVE-06", "BATCH-01", "BATCH-04"]),
        r"redirects to",
        "SageMaker follows no redirects: answer POST /invocations directly, without a slash at the "
        "end of the route (Flask `strict_slashes=False`, FastAPI `redirect_slashes=False`)",
    ),
    Mistake(
        frozenset(["SERVE-06", "SERVE-15", "BATCH-07"]),
        r"the answer to another of the requests",
        "requests share state: keep what belongs to one request in local variables, not in globals "
        "or on the server or the model, or lock every use of it",
    ),
    Mistake(
        frozenset(["SERVE-13"]),
        r"gets an answer like a sample's",
        "answer 400 where the body cannot be parsed, instead of using a default value",
    ),
    Mistake(
        frozenset(["SERVE-06"]),
        r"without a Content-Type",
        "set the Content-Type of the answer to a type that the request accepts",
    ),
    Mistake(
        STOPS,
        r"STOPSIGNAL is not SIGTERM|SIGKILL was needed \d+ s after (?!SIG(TERM|INT)\b)\w",
        "remove STOPSIGNAL from the Dockerfile, and handle SIGTERM: that is what SageMaker sends",
    ),
    Mistake(
        STOPS,
        r"/opt/ml/model is empty: the work so far is lost",
        "when SIGTERM comes, write the model made so far to /opt/ml/model before the program ends",
    ),
    Mistake(
        STOPS,
        r"process 1 is `[^`]*\b(Rscript|R/bin|exec/R|bin/R)\b",
        "R ignores SIGTERM as process 1: start R from a shell that forwards it, "
        "`Rscript train.R & child=$!; trap 'kill -TERM $child' TERM; wait $child; wait $child`; "
        "the template `r` contains such a shell",
    ),
    Mistake(
        STOPS,
        r"process 1 is `(\S*/)?(ba|da|a|z|k)?sh\b",
        "a shell as process 1 does not forward SIGTERM: start the program with `exec` as the last "
        "command, or trap TERM, forward it and wait",
    ),
    Mistake(
        frozenset(["SERVE-01"]),
        r"no whole answer",
        "the server listens but does not speak plain HTTP: serve HTTP without TLS, and let no "
        "proxy close the connection early",
    ),
)  # fmt: skip


TELLING = re.compile(
    r"WORKER TIMEOUT|while connecting to upstream|no live upstreams|upstream prematurely closed|"
    r"out of memory|Killed process|bus error|Segmentation fault",
    re.IGNORECASE,
)
"""Lines that name a cause, and may be followed by many that do not."""


def telling(lines: Iterable[str]) -> str:
    """The first line of a log that names a cause, empty if none does."""
    return next((line for line in lines if TELLING.search(line)), "")


def cure(clause: str, evidence: str) -> str | None:
    """The fix of the mistake that the evidence shows, None if it shows none."""
    for each in MISTAKES:
        if clause in each.clauses and re.search(each.symptom, evidence, re.IGNORECASE):
            also = each.breaks and each.breaks != clause
            return f"{each.cure} (`buildkit explain {each.breaks}`)" if also else each.cure
    return None
