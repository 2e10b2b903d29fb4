"""The usual mistakes: each is known by what an engine, a shell or a server says of it."""

from __future__ import annotations

import re

import pytest

from buildkit.contract import hints, logs
from buildkit.contract.checks import Broken, judged
from buildkit.contract.clauses import clauses
from buildkit.contract.engine import Line
from buildkit.contract.hosting import serving
from buildkit.contract.hosting.client import Answer
from buildkit.contract.jobs.endings import Signalled
from buildkit.contract.signs import Sign

SAID = (
    (
        "RUN-01",
        'the engine cannot start `train`: exec: "train": executable file not found in $PATH',
        "PATH",
    ),
    ("RUN-01", "`train` ended with 127, as …; its last lines:\n/bin/sh: 1: train: not found", "PATH"),
    ("RUN-02", 'cannot start `serve`: exec: "/opt/serve": permission denied: unknown', "--chmod"),
    ("RUN-01", "its last lines:\n/usr/bin/env: 'python3\\r': No such file or directory", "LF"),
    ("OUT-01", "its last lines:\nexec /usr/bin/train: exec format error", "processor"),
    ("RUN-02", "[FATAL tini (7)] exec serve failed: No such file or directory", "init program"),
    ("OUT-01", "exec /usr/bin/train: no such file or directory", "first line"),
    ("RUN-02", "`serve` ended by itself with 1; …\nModuleNotFoundError: No module named 'x'", "module"),
    ("OUT-01", "urlopen error [Errno -3] Temporary failure in name resolution", "--network"),
    ("PROC-02", "OSError: [Errno 101] Network is unreachable", "network = true"),
    ("SERVE-03", "OSError: [Errno 30] Read-only file system: '/opt/ml/model/x'", "/tmp"),
    ("OUT-01", "PermissionError: [Errno 13] Permission denied: '/opt/ml/model/m'", "USER"),
    ("OUT-01", "cannot open file '/opt/ml/mars.R': No such file or directory", "mounts"),
    ("RUN-02", "OSError: [Errno 98] Address already in use", "port"),
    ("OUT-01", "train.py: error: unrecognized arguments: --sagemaker_program x", "parse_known_args"),
    ("OUT-01", "KeyError: 'SM_MODEL_DIR'", "toolkit"),
    ("OUT-01", "TypeError: 'str' object cannot be interpreted as an integer", "int("),
    ("OUT-01", "botocore.exceptions.NoRegionError: You must specify a region.", "Region"),
    ("OUT-01", "RuntimeError: DataLoader worker is killed by signal: Bus error.", "num_workers"),
    ("SERVE-06", "got no whole answer: x: the kernel ended it: out of memory", "memory"),
    ("OUT-01", "EOFError: EOF when reading a line", "RUN-07"),
    ("OUT-01", "KeyError: 'S3Uri'", "/opt/ml/input/data"),
    ("OUT-01", "json.decoder.JSONDecodeError: Expecting value", "json.loads"),
    ("OUT-01", "KeyError: 'epochs'", "default"),
    ("OUT-01", "FileNotFoundError: … '/opt/ml/input/data/train/x.csv'", "/opt/ml/input/data"),
    ("OUT-01", "socket.gaierror: Name or service not known", "ISO-01"),
    ("RUN-01", "the engine cannot start `train`: uids and gids must be in range 0-2147483647", "USER"),
    ("RUN-02", "cannot start `serve`: unable to find user nobody-knows: no matching entries", "USER"),
    ("SERVE-03", "it said '[CRITICAL] WORKER TIMEOUT (pid:8)'", "--preload"),
    ("SERVE-06", "Worker (pid:8) was sent SIGKILL! Perhaps out of memory?", "ran out of memory"),
    ("RUN-01", "python3: can't open file '/opt/x/strat.py': [Errno 2] No such file or directory", "ENTRYPOINT names"),
    ("RUN-02", "sh: 0: cannot open /opt/x/strat.sh: No such file", "ENTRYPOINT names"),
    ("OUT-02", "its last lines:\nsh: 0: cannot open /opt/x/strat.sh: No such file", "ENTRYPOINT names"),
    ("OUT-01", "its last lines:\npython: can't open file '/app/x.py': [Errno 2] No such file or directory", "or that `train`"),
    ("OUT-01", "python: can't open file '/opt/ml/x.py': [Errno 2] No such file or directory", "mounts hide"),
    ("RUN-02", "bash: /opt/x/strat.sh: No such file or directory", "ENTRYPOINT names"),
    ("RUN-02", "sh: 0: cannot open /opt/ml/code/serve: No such file or directory", "mounts hide"),
    ("SERVE-03", "connect() failed (111: Connection refused) while connecting to upstream", "nginx"),
)  # fmt: skip
"""What foreign programs say in the evidence of a clause, and a part of the hint for it."""
SEEN = (
    ("RUN-01", Sign.NOT_EXECUTABLE, "--chmod"),
    ("RUN-01", Sign.EMPTY_PATH, "ENV PATH"),
    ("RUN-01", Sign.NO_ENTRYPOINT, "ENTRYPOINT names"),
    ("RUN-02", Sign.FOLDER_ON_PATH, "a folder on PATH"),
    ("RUN-01", Sign.BLOCKED, "IMG-06"),
    ("RUN-01", Sign.NO_ROOM, "WORKDIR"),
    ("OUT-01", Sign.SHARED_MEMORY, "DIST-10"),
    ("OUT-01", Sign.OUT_OF_MEMORY, "ran out of memory"),
    ("OUT-01", Sign.CRASHED, "native code"),
    ("OUT-01", Sign.GAVE_REASON, "reason names"),
    ("OUT-01", Sign.SAMPLES_FAIL, "find the cause"),
    ("OUT-02", Sign.REASON_LEFT, "only when training fails"),
    ("OUT-02", Sign.REASON_NO_FILE, "regular file"),
    ("OUT-02", Sign.REASON_ELSEWHERE, "without a suffix"),
    ("OUT-02", Sign.REASON_UNCLEAR, "UTF-8"),
    ("IMG-06", Sign.NO_FOLDER, "mkdir"),
    ("IMG-06", Sign.PLACE_TAKEN, "fills /opt/ml/input"),
    ("SERVE-01", Sign.LISTENS_LOCALLY, "0.0.0.0"),
    ("SERVE-01", Sign.LISTENS_ON_SOCKET, "gunicorn: `--bind 0.0.0.0:8080`"),
    ("SERVE-01", Sign.LISTENS_ELSEWHERE, "8080"),
    ("SERVE-01", Sign.LISTENS_NOWHERE, "startup-seconds"),
    ("SERVE-01", Sign.NOT_WHOLE, "TLS"),
    ("SERVE-06", Sign.NOT_WHOLE, "the last lines"),
    ("SERVE-03", Sign.NO_ANSWER, "another thread"),
    ("SERVE-03", Sign.NOT_FOUND, "route"),
    ("SERVE-03", Sign.PROXY, "proxy_pass"),
    ("SERVE-06", Sign.WORKER_KILLED, "make predictions faster"),
    ("SERVE-06", Sign.TOO_LARGE, "client_max_body_size"),
    ("SERVE-06", Sign.REDIRECTS, "redirect"),
    ("SERVE-06", Sign.UNTYPED, "Content-Type"),
    ("SERVE-06", Sign.OF_ANOTHER, "lock"),
    ("SERVE-13", Sign.TAKES_GARBAGE, "400"),
    ("SERVE-02", Sign.IDLE_BLOCKS, "ThreadingHTTPServer"),
    ("RUN-08", Sign.FIRST_IS_R, "template `r`"),
    ("RUN-08", Sign.FIRST_IS_SHELL, "exec"),
    ("RUN-09", Sign.STOPSIGNAL, "STOPSIGNAL"),
    ("RUN-08", Sign.WORK_LOST, "made so far"),
)
"""What checks see themselves."""


@pytest.mark.parametrize(
    ("clause", "finding", "named"),
    [
        *((clause, Broken(evidence), named) for clause, evidence, named in SAID),
        *((clause, Broken("what was seen", sign), named) for clause, sign, named in SEEN),
    ],
)
def test_a_mistake_that_shows_gets_its_own_cure(clause: str, finding: Broken, named: str) -> None:
    found = judged(clause, finding).result
    assert named in found.hint
    assert found.hint != clauses()[clause].hint


def test_every_mistake_was_seen() -> None:
    cures = [hints.cure(clause, evidence) or "" for clause, evidence, _ in SAID]
    cures += [hints.cure(clause, "", {sign}) or "" for clause, sign, _ in SEEN]
    for each in hints.mistakes():
        assert any(cure.startswith(each.hint) for cure in cures), each.hint


@pytest.mark.parametrize(
    ("status", "kind", "body", "sign", "named"),
    [
        (404, "text/html", b"no", Sign.NOT_FOUND, "route"),
        (413, "text/html", b"", Sign.TOO_LARGE, "client_max_body_size"),
        (502, "text/html", b"<center>nginx</center>", Sign.PROXY, "proxy_pass"),
        (307, "text/html", b"", Sign.REDIRECTS, None),
        (200, "", b"1", Sign.UNTYPED, None),
    ],
)
def test_an_answer_has_the_signs_of_its_mistakes(
    status: int, kind: str, body: bytes, sign: Sign, named: str | None
) -> None:
    headers = {"location": "/invocations/"} if status == 307 else {}
    seen = Answer(status=status, content_type=kind, body=body, headers=headers)
    assert seen.signs == (sign,)
    ping = judged("SERVE-02", Broken("no 200", *seen.signs)).result.hint
    assert (named or clauses()["SERVE-02"].hint) in ping


@pytest.mark.parametrize(
    ("first", "name", "signs"),
    [
        ("python train", "SIGTERM", ()),
        ("python train", "64", (Sign.STOPSIGNAL,)),
        ("/usr/lib/R/bin/exec/R --no-echo", "SIGINT", (Sign.FIRST_IS_R,)),
        ("/bin/sh /usr/local/bin/train", "SIGTERM", (Sign.FIRST_IS_SHELL,)),
    ],
)
def test_a_signal_has_the_signs_of_why_it_is_not_heard(
    first: str, name: str, signs: tuple[Sign, ...]
) -> None:
    assert Signalled(heard=False, first=first, name=name).signs == signs


@pytest.mark.parametrize(
    ("places", "sign"),
    [
        ([("127.0.0.1", 8080)], Sign.LISTENS_LOCALLY),
        ([("127.0.0.1", 5000), ("::1", 8080)], Sign.LISTENS_LOCALLY),
        ([("0.0.0.0", 5000)], Sign.LISTENS_ELSEWHERE),
        ([("0.0.0.0", 8080)], None),
        ([("127.0.0.1", 8080), ("0.0.0.0", 5000)], None),
        ([], Sign.LISTENS_NOWHERE),
    ],
)
def test_a_late_server_on_the_right_port_is_not_told_of_ports(
    places: list[tuple[str, int]], sign: Sign | None
) -> None:
    assert serving.Places(addresses=frozenset(places)).signs == ((sign,) if sign else ())
    assert serving.Places(addresses=None).signs == ()


def test_the_tool_s_own_words_are_no_symptom() -> None:
    """A program may print them, and evidence may be put in other words."""
    said = (
        "got 200: '3', the answer to another of the requests; GET /ping answered 404; answered 413"
    )
    for clause in ("SERVE-02", "SERVE-06"):
        assert hints.cure(clause, said) is None
    assert hints.cure("SERVE-06", "", {Sign.OF_ANOTHER})


def test_a_cure_names_the_clause_that_says_more() -> None:
    evidence = "error: unrecognized arguments: --sagemaker_region"
    assert "`buildkit explain CFG-03`" in str(hints.cure("OUT-01", evidence))
    assert "explain" not in str(hints.cure("CFG-03", evidence))
    assert all(each.breaks in {"", *clauses()} for each in hints.mistakes())


def test_of_a_long_log_the_line_is_told_that_says_why() -> None:
    said = ["[CRITICAL] WORKER TIMEOUT (pid:8)", *(f"line {n}" for n in range(50))]
    lines = [Line(at=0.0, text=text) for text in said]
    told = logs.last_words(lines, "\n".join(said[-30:]))
    assert told.startswith("; it said '[CRITICAL] WORKER TIMEOUT (pid:8)'; its last lines:")
    assert logs.last_words(lines, "\n".join(said)).startswith("; its last lines:")
    assert logs.last_words(lines[1:], "") == "; it printed nothing"
    found = judged("SERVE-03", Broken(f"GET /ping got no answer in 34 s{told}")).result
    assert "--preload" in found.hint


def test_evidence_without_a_symptom_keeps_the_hint_of_the_clause() -> None:
    evidence = "`serve` ended by itself with 1; it printed nothing"
    found = judged("RUN-02", Broken(evidence, Sign.NOT_RUNNING)).result
    assert found.hint == clauses()["RUN-02"].hint


def test_a_symptom_is_no_cure_for_another_clause() -> None:
    assert hints.cure("IMG-08", "ModuleNotFoundError: No module named 'x'") is None
    assert hints.cure("IMG-08", "", {Sign.TOO_LARGE}) is None


def test_mistakes_belong_to_clauses_that_are_checked() -> None:
    for each in hints.mistakes():
        re.compile(each.says)
        assert each.says or each.sign, each.hint
        assert not each.says or each.clauses, each.hint
        assert all(not clauses()[id_].unchecked for id_ in each.clauses), each.hint
