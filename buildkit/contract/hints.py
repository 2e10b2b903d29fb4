"""Common mistakes in images: how they show in the evidence of a clause, and the fix.

A clause has one hint for all ways to break it. Where its evidence shows one of these mistakes, the
fix of that mistake is the better hint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Collection

STARTS = frozenset(["RUN-01", "RUN-02"])
SERVES = frozenset(["RUN-02", "SERVE-01", "SERVE-02", "SERVE-03"])
TRAINS = frozenset(["OUT-01", "CFG-01", "CFG-02", "CFG-03"])
WORKS = STARTS | SERVES | TRAINS
ANSWERS = frozenset(["SERVE-06", "SERVE-07", "BATCH-04", "ASYNC-01"])
STOPS = frozenset(["RUN-08", "RUN-09", "RUN-10"])


@dataclass(frozen=True)
class Mistake:
    """It shows by the `sign` that a check has seen, or by what a program `says`.

    `says` is a pattern for the words of foreign programs, in upper or lower case; the tool's own
    words are not matched. `clauses` are those whose evidence may show the mistake, empty for all.
    `breaks` is the clause that explains the mistake, where the evidence belongs to another.
    """

    cure: str
    sign: Sign | None = None
    says: str = ""
    clauses: frozenset[str] = frozenset()
    breaks: str = ""

    def shows(self, clause: str, evidence: str, signs: Collection[Sign]) -> bool:
        if self.clauses and clause not in self.clauses:
            return False
        said = self.says and re.search(self.says, evidence, re.IGNORECASE)
        return self.sign in signs or bool(said)


MISTAKES = (
    Mistake(
        "gunicorn kills a worker that is busy for longer than its time-out of 30 s, also while it "
        "loads the model: load at import instead of in the first request and start gunicorn with "
        "`--preload`, or raise `--timeout`",
        says=r"WORKER TIMEOUT|Worker \(pid:\d+\) was sent SIG(KILL|ABRT)",
        clauses=SERVES | ANSWERS,
        breaks="SERVE-03",
    ),
    Mistake(
        "nginx runs, but the program behind it does not answer: read the log of that program, "
        "start it before nginx, point `proxy_pass` at the address on which it listens, and end the "
        "container when it ends",
        sign=Sign.PROXY,
        says=(
            r"\(111: Connection refused\) while connecting to upstream|"
            r"connect\(\) to \S+ failed|no live upstreams|upstream prematurely closed"
        ),
        clauses=SERVES | ANSWERS,
    ),
    Mistake(
        "the server listens but does not answer: load the model before the server listens, or in "
        "another thread or worker, and let no other work block GET /ping",
        sign=Sign.NO_ANSWER,
        clauses=frozenset(["SERVE-03"]),
    ),
    Mistake(
        "a folder on PATH has the name of the program: COPY the program itself there, with "
        "--chmod=755, or remove the folder",
        sign=Sign.FOLDER_ON_PATH,
    ),
    Mistake(
        "the program has Windows line endings: save it with LF, and write `* text=auto eol=lf` "
        "into .gitattributes so that no checkout converts it again",
        says=r"\\r|\^M|\r",
        clauses=STARTS | {"OUT-01"},
    ),
    Mistake(
        "the program is for another processor, or a script without a first line such as "
        "`#!/bin/sh`: add the line, or build with `docker buildx build --platform linux/amd64`",
        says=r"exec format error",
        clauses=STARTS | {"OUT-01"},
    ),
    Mistake(
        "the init program runs the word as a program: put your program after it, as in "
        'ENTRYPOINT ["tini", "--", "/opt/program/start"]',
        says=r"exec (train|serve) failed",
        clauses=STARTS,
    ),
    Mistake(
        "the image's USER does not exist in the image, or is out of range: remove USER from the "
        "Dockerfile, as SageMaker expects root",
        says=(
            r"uids and gids must be|unable to find (user|group)|no matching entries in|"
            r"invalid (user|group|uid|gid)"
        ),
        clauses=STARTS,
        breaks="IMG-05",
    ),
    Mistake(
        "the image's PATH is empty: remove `ENV PATH=` from the Dockerfile, or write "
        "`ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`",
        sign=Sign.EMPTY_PATH,
    ),
    Mistake(
        "/opt, or a path below /opt/ml, is not a folder in the image: remove the line of the "
        "Dockerfile that creates it",
        sign=Sign.BLOCKED,
        says=r"resolve mount destination[^\n]*/opt/ml",
        clauses=STARTS,
        breaks="IMG-06",
    ),
    Mistake(
        "a path that the container needs as a folder, such as its WORKDIR, is a file in the image: "
        "remove the file, or set WORKDIR to a folder",
        sign=Sign.NO_ROOM,
    ),
    Mistake(
        "no program of that name is on PATH: COPY one to /usr/local/bin with --chmod=755, or set "
        'ENTRYPOINT ["/opt/program/start"], which then gets the word as its argument',
        says=r"executable file not found|: not found",
        clauses=STARTS,
    ),
    Mistake(
        "the program is not executable: COPY it with --chmod=755 (a checkout on Windows loses "
        "the bit; `git update-index --chmod=+x FILE` keeps it)",
        sign=Sign.NOT_EXECUTABLE,
        says=r"permission denied",
        clauses=STARTS,
    ),
    Mistake(
        "the program exists, but the interpreter in its first line does not: fix the `#!` line, or "
        "install that interpreter",
        says=r"exec /\S+: no such file or directory",
        clauses=STARTS | {"OUT-01"},
    ),
    Mistake(
        "a module is missing or broken in the image: install it with a pinned version",
        says=r"ModuleNotFoundError|ImportError",
        clauses=WORKS,
    ),
    Mistake(
        "images under test have no network: put what the program downloads into the image or a "
        "channel; if the image needs a network, set `network = true` in images.toml, or pass "
        "`--network`",
        says=(
            r"network is unreachable|no route to host|name resolution|name or service not known"
            r"|could not resolve host|getaddrinfo|unknownhostexception|no address associated with"
            r"|could not connect to the endpoint|NameResolutionError|max retries exceeded"
            r"|NoCredentialsError|unable to locate credentials"
        ),
        clauses=WORKS | ANSWERS | {"PROC-02"},
        breaks="ISO-01",
    ),
    Mistake(
        "the model is mounted read-only: unpack, compile and cache below /tmp",
        says=r"read-only file system",
        clauses=SERVES | ANSWERS | {"SERVE-17"},
    ),
    Mistake(
        "/opt/ml belongs to root: leave USER out of the Dockerfile",
        says=r"(permission denied|PermissionError)[^\n]*/opt/ml",
        clauses=WORKS,
        breaks="IMG-05",
    ),
    Mistake(
        "SageMaker's mounts hide what the image holds below /opt/ml: COPY it to another folder, "
        "such as /opt/program",
        says=(
            r"/opt/ml/(?!input|model|output|checkpoints)\S*?'?: no such file|"
            r"no such file or directory: '/opt/ml/(?!input|model|output|checkpoints)"
        ),
        clauses=WORKS,
    ),
    Mistake(
        "the server only accepts connections from its own container: bind it to 0.0.0.0, port 8080",
        sign=Sign.LISTENS_LOCALLY,
        clauses=SERVES,
    ),
    Mistake(
        "the server listens on another port: make it 8080, or the number in "
        "SAGEMAKER_BIND_TO_PORT where that is set",
        sign=Sign.LISTENS_ELSEWHERE,
        clauses=SERVES,
    ),
    Mistake(
        "the server has no such route: answer GET /ping with 200 once the model is loaded",
        sign=Sign.NOT_FOUND,
        clauses=SERVES,
    ),
    Mistake(
        "the server in front limits the body: `client_max_body_size 0;` for nginx, "
        "`max_request_size` for Multi Model Server and TorchServe",
        sign=Sign.TOO_LARGE,
        clauses=SERVES | ANSWERS,
    ),
    Mistake(
        "two programs bind the same port: start one server only, and check what it forks",
        says=r"address already in use",
        clauses=SERVES | ANSWERS,
    ),
    Mistake(
        "SageMaker adds hyperparameters of its own: read with `parse_known_args`, not `parse_args`",
        says=r"unrecognized arguments",
        clauses=TRAINS,
        breaks="CFG-03",
    ),
    Mistake(
        "SageMaker sets no SM_ variables, a toolkit does: install sagemaker-training, or read the "
        "files below /opt/ml/input/config",
        says=r"KeyError: '(SM|SAGEMAKER)_",
        clauses=WORKS,
        breaks="ENV-01",
    ),
    Mistake(
        "every hyperparameter arrives as text: convert each to its type, `int(value)`",
        says=(
            r"'str' object cannot be interpreted|between instances of 'str'|"
            r"must be (a )?real number, not str|unsupported operand type[^\n]*'str'"
        ),
        clauses=TRAINS,
        breaks="CFG-01",
    ),
    Mistake(
        "give the client its Region: `boto3.client(…, region_name=os.environ['AWS_REGION'])`",
        says=r"must specify a region|NoRegionError",
        clauses=WORKS,
        breaks="ENV-03",
    ),
    Mistake(
        "shared memory has 64 MB: load data in the main process (`num_workers=0`), or share files "
        "(`torch.multiprocessing.set_sharing_strategy('file_system')`)",
        sign=Sign.SHARED_MEMORY,
        says=r"bus error|SIGBUS|/dev/shm|shared memory|DataLoader worker [^\n]*killed",
        clauses=WORKS | {"DIST-10"},
        breaks="DIST-10",
    ),
    Mistake(
        "the container has no terminal and no input: take answers from hyperparameters or "
        "variables, and ask only `if sys.stdin.isatty()`",
        says=(
            r"EOF when reading a line|inappropriate ioctl|not a (tty|terminal)|TERM environment "
            r"variable not set"
        ),
        clauses=WORKS,
        breaks="RUN-07",
    ),
    Mistake(
        "inputdataconfig.json has no S3 address: read the files below /opt/ml/input/data/<channel>",
        says=(
            r"KeyError: '(S3Uri|S3DataSource|DataSource)'|"
            r"s3_?uri[^\n]*(missing|none|null|not found)"
        ),
        clauses=TRAINS,
        breaks="CFG-04",
    ),
    Mistake(
        "a hyperparameter may be bare text: decode with json.loads, and on ValueError use the text "
        "as it is",
        says=r"JSONDecodeError|is not valid JSON|invalid JSON",
        clauses=TRAINS,
        breaks="CFG-02",
    ),
    Mistake(
        "the program reads a key that SageMaker does not send, or that the samples lack: give each "
        "hyperparameter a default",
        says=r"KeyError: |no such option|missing hyperparameter",
        clauses=TRAINS,
        breaks="CFG-01",
    ),
    Mistake(
        "the program reads a path that SageMaker does not create: a channel's files are below "
        "/opt/ml/input/data/<channel>, under the names that they have in the samples",
        says=(
            r"(no such file or directory|FileNotFoundError)[^\n]*/opt/ml/input|"
            r"/opt/ml/input\S*: no such file"
        ),
        clauses=TRAINS,
        breaks="TREE-01",
    ),
    Mistake(
        "the container ran out of memory: keep less data in memory, start fewer workers, or choose "
        "an instance with more memory",
        sign=Sign.OUT_OF_MEMORY,
        says=r"out of memory|MemoryError",
        clauses=WORKS | ANSWERS | {"SERVE-05"},
    ),
    Mistake(
        "native code crashed: find the library that is built for another processor or other "
        "versions, and install all libraries from one source; `faulthandler.enable()` shows where "
        "Python was",
        sign=Sign.CRASHED,
        says=r"SIGSEGV|SIGILL|SIGABRT|SIGFPE",
        clauses=WORKS | ANSWERS | {"SERVE-05"},
    ),
    Mistake(
        "training on the samples fails, and the exit code reports that correctly: fix what the "
        "reason names; then check the hyperparameters and channels of the samples",
        sign=Sign.GAVE_REASON,
        clauses=frozenset(["OUT-01"]),
    ),
    Mistake(
        "training on the samples fails, and the exit code reports that correctly: find the cause "
        "in the last lines; then check the hyperparameters and channels of the samples",
        sign=Sign.SAMPLES_FAIL,
    ),
    Mistake(
        "write /opt/ml/output/failure only when training fails, and remove one that an earlier "
        "attempt left when it succeeds",
        sign=Sign.REASON_LEFT,
    ),
    Mistake(
        "write the cause to a regular file, as links and pipes are not read: first remove what is "
        "at /opt/ml/output/failure",
        sign=Sign.REASON_NO_FILE,
    ),
    Mistake(
        "write the cause to /opt/ml/output/failure, a file without a suffix",
        sign=Sign.REASON_ELSEWHERE,
    ),
    Mistake(
        "write plain text in UTF-8 to /opt/ml/output/failure, and begin with the cause: its first "
        "1024 characters are what a user sees",
        sign=Sign.REASON_UNCLEAR,
    ),
    Mistake(
        "remove the line of the Dockerfile that creates it (`ln -s`, `mkfifo`, COPY), or create a "
        "folder with `mkdir`: SageMaker mounts its volumes over folders",
        sign=Sign.NO_FOLDER,
    ),
    Mistake(
        "remove the line of the Dockerfile that creates it: SageMaker fills /opt/ml/input and "
        "/opt/ml/output itself",
        sign=Sign.PLACE_TAKEN,
    ),
    Mistake(
        "SageMaker follows no redirects: answer POST /invocations directly, without a slash at the "
        "end of the route (Flask `strict_slashes=False`, FastAPI `redirect_slashes=False`)",
        sign=Sign.REDIRECTS,
        clauses=frozenset(["SERVE-06", "BATCH-01", "BATCH-04"]),
    ),
    Mistake(
        "requests share state: keep what belongs to one request in local variables, not in globals "
        "or on the server or the model, or lock every use of it",
        sign=Sign.OF_ANOTHER,
    ),
    Mistake(
        "answer 400 where the body cannot be parsed, instead of using a default value",
        sign=Sign.TAKES_GARBAGE,
    ),
    Mistake(
        "set the Content-Type of the answer to a type that the request accepts",
        sign=Sign.UNTYPED,
        clauses=frozenset(["SERVE-06"]),
    ),
    Mistake(
        "remove STOPSIGNAL from the Dockerfile, and handle SIGTERM: that is what SageMaker sends",
        sign=Sign.STOPSIGNAL,
    ),
    Mistake(
        "when SIGTERM comes, write the model made so far to /opt/ml/model before the program ends",
        sign=Sign.WORK_LOST,
    ),
    Mistake(
        "R ignores SIGTERM as process 1: start R from a shell that forwards it, "
        "`Rscript train.R & child=$!; trap 'kill -TERM $child' TERM; wait $child; wait $child`; "
        "the template `r` contains such a shell",
        sign=Sign.FIRST_IS_R,
    ),
    Mistake(
        "a shell as process 1 does not forward SIGTERM: start the program with `exec` as the last "
        "command, or trap TERM, forward it and wait",
        sign=Sign.FIRST_IS_SHELL,
    ),
    Mistake(
        "the server listens but does not speak plain HTTP: serve HTTP without TLS, and let no "
        "proxy close the connection early",
        sign=Sign.NOT_WHOLE,
        clauses=frozenset(["SERVE-01"]),
    ),
)  # fmt: skip


def cure(clause: str, evidence: str, signs: Collection[Sign] = ()) -> str | None:
    """The fix of the mistake that the evidence shows, None if it shows none."""
    for each in MISTAKES:
        if each.shows(clause, evidence, signs):
            also = each.breaks and each.breaks != clause
            return f"{each.cure} (`buildkit explain {each.breaks}`)" if also else each.cure
    return None
