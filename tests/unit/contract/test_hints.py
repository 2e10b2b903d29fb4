"""The usual mistakes: each is known by what an engine, a shell or a server says of it."""

from __future__ import annotations

import re

import pytest

from buildkit.contract import hints
from buildkit.contract.checks import result, telling
from buildkit.contract.clauses import clauses
from buildkit.contract.engine import Line
from buildkit.model.image import Status

SEEN = (
    (
        "RUN-01",
        'the engine cannot start `train`: exec: "train": executable file not found in $PATH',
        "PATH",
    ),
    ("RUN-01", "`train` ended with 127, as …; its last lines:\n/bin/sh: 1: train: not found", "PATH"),
    ("RUN-02", 'cannot start `serve`: exec: "/opt/serve": permission denied: unknown', "--chmod"),
    ("RUN-01", "`train` ended with 126, as when a program is missing", "--chmod"),
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
    ("SERVE-01", "no HTTP answer from port 8080; the server listens on 127.0.0.1:8080", "0.0.0.0"),
    ("SERVE-01", "no HTTP answer from port 8080; the server listens on 0.0.0.0:5000", "8080"),
    ("SERVE-03", "GET /ping never answered 200 in 240 s: GET /ping answered 404 text/html", "route"),
    ("SERVE-06", "POST /invocations (text/csv) answered 413 text/html: ''", "client_max_body_size"),
    ("RUN-02", "OSError: [Errno 98] Address already in use", "port"),
    ("OUT-01", "train.py: error: unrecognized arguments: --sagemaker_program x", "parse_known_args"),
    ("OUT-01", "KeyError: 'SM_MODEL_DIR'", "toolkit"),
    ("OUT-01", "TypeError: 'str' object cannot be interpreted as an integer", "int("),
    ("OUT-01", "botocore.exceptions.NoRegionError: You must specify a region.", "Region"),
    ("OUT-01", "RuntimeError: DataLoader worker is killed by signal: Bus error.", "num_workers"),
    ("OUT-01", "`train` on the samples ended with 135 (SIGBUS: often a full /dev/shm)", "DIST-10"),
    ("OUT-01", "`train` on the samples ended with 137 (SIGKILL: often out of memory)", "memory"),
    ("SERVE-06", "got no whole answer: x: the kernel ended it: out of memory", "memory"),
    ("OUT-01", "`train` on the samples ended with 139 (SIGSEGV: native code crashed)", "native code"),
    ("OUT-01", "`train` on the samples ended with 3; its last lines:\nno luck", "find the cause"),
    ("OUT-01", "EOFError: EOF when reading a line", "RUN-07"),
    ("OUT-01", "KeyError: 'S3Uri'", "/opt/ml/input/data"),
    ("OUT-01", "json.decoder.JSONDecodeError: Expecting value", "json.loads"),
    ("OUT-01", "KeyError: 'epochs'", "default"),
    ("OUT-01", "FileNotFoundError: … '/opt/ml/input/data/train/x.csv'", "/opt/ml/input/data"),
    ("OUT-01", "socket.gaierror: Name or service not known", "ISO-01"),
    ("OUT-02", "a successful run left a failure file behind", "only when training fails"),
    ("RUN-01", "the engine cannot start `train`: uids and gids must be in range 0-2147483647", "USER"),
    ("RUN-02", "cannot start `serve`: unable to find user nobody-knows: no matching entries", "USER"),
    ("RUN-01", "exec: \"train\": executable file not found in $PATH; PATH is ''", "ENV PATH"),
    ("RUN-01", "the engine cannot lay out the container: copying into /opt/ml: not a directory", "IMG-06"),
    ("RUN-01", "the engine cannot lay out the container: creating a container of `x`: Cannot mkdir", "WORKDIR"),
    ("OUT-01", "`train` on the samples ended with 1; its reason in /opt/ml/output/failure is 'x'", "reason names"),
    ("OUT-02", "the failed run wrote no reason; /opt/ml/output/failure is a link to /x", "regular file"),
    ("OUT-02", "the failed run wrote no reason; found /opt/ml/failure", "/opt/ml/output/failure"),
    ("OUT-02", "the reason in /opt/ml/output/failure is not UTF-8", "UTF-8"),
    ("IMG-06", "in the image /opt/ml/input is not a folder but a link in a loop", "mkdir"),
    ("TREE-03", "in the image /tmp is not a folder but a link to /nowhere, and", "Dockerfile"),
    ("IMG-06", "the image holds /opt/ml/output/failure, a pipe: channels", "Dockerfile"),
    ("SERVE-06", "(text/csv, a.csv) answered 307, which redirects to /invocations/", "redirect"),
    ("SERVE-06", "(text/csv, a.csv) answered 200 without a Content-Type: '1'", "Content-Type"),
    ("SERVE-06", "got 200: '3', the answer to another of the requests; alone 200: '2'", "lock"),
    ("SERVE-13", "b'{' as text/csv got 200: '0.0': garbage gets an answer like a sample's", "400"),
    ("SERVE-03", "it said '[CRITICAL] WORKER TIMEOUT (pid:8)'", "--preload"),
    ("SERVE-03", "GET /ping answered 502 text/html: '<center>nginx</center>'", "proxy_pass"),
    ("SERVE-03", "connect() failed (111: Connection refused) while connecting to upstream", "nginx"),
    ("SERVE-01", "no whole answer: HTTP/0.9", "TLS"),
    (
        "SERVE-03",
        "in 243 s: something listens on port 8080 and accepts connections, but does not answer",
        "another thread",
    ),
    (
        "RUN-02",
        'exec: "serve": executable file not found in $PATH; /usr/local/bin/serve is a folder',
        "a folder on PATH",
    ),
    (
        "RUN-08",
        "SIGKILL was needed 120 s after SIGTERM: process 1 is `/usr/lib/R/bin/exec/R --no-echo`",
        "template `r`",
    ),
    ("RUN-08", "the container was killed at once: its STOPSIGNAL is not SIGTERM: process 1 is `/bin/sh x`", "STOPSIGNAL"),
    ("RUN-09", "SIGKILL was needed 30 s after 64; its last lines", "STOPSIGNAL"),
    ("RUN-08", "SIGTERM ended `train` during its work, and /opt/ml/model is empty: the work so far is lost", "made so far"),
    ("RUN-08", "SIGTERM has no effect: process 1 is `/bin/sh /usr/local/bin/train`", "exec"),
)  # fmt: skip


@pytest.mark.parametrize(("clause", "evidence", "named"), SEEN)
def test_a_symptom_in_the_evidence_gets_its_own_cure(
    clause: str, evidence: str, named: str
) -> None:
    found = result(clause, Status.FAIL, evidence)
    assert named in found.hint
    assert found.hint != clauses()[clause].hint


@pytest.mark.parametrize("places", ["0.0.0.0:8080", "127.0.0.1:8080, 0.0.0.0:5000", "[::]:8080"])
def test_a_late_server_on_the_right_port_is_not_told_of_ports(places: str) -> None:
    evidence = f"no HTTP answer from port 8080; the server listens on {places}"
    assert hints.cure("SERVE-01", evidence) is None


def test_every_mistake_was_seen() -> None:
    cures = [hints.cure(clause, evidence) or "" for clause, evidence, _ in SEEN]
    for each in hints.MISTAKES:
        assert any(cure.startswith(each.cure) for cure in cures), each.cure


def test_a_cure_names_the_clause_that_says_more() -> None:
    evidence = "error: unrecognized arguments: --sagemaker_region"
    assert "`buildkit explain CFG-03`" in str(hints.cure("OUT-01", evidence))
    assert "explain" not in str(hints.cure("CFG-03", evidence))
    assert all(each.breaks in {"", *clauses()} for each in hints.MISTAKES)


def test_of_a_long_log_the_line_is_told_that_says_why() -> None:
    said = ["[CRITICAL] WORKER TIMEOUT (pid:8)", *(f"line {n}" for n in range(50))]
    lines = [Line(at=0.0, text=text) for text in said]
    told = telling(lines, "\n".join(said[-30:]))
    assert told == "; it said '[CRITICAL] WORKER TIMEOUT (pid:8)'"
    assert telling(lines, "\n".join(said)) == ""
    assert telling(lines[1:], "") == ""
    found = result("SERVE-03", Status.FAIL, f"GET /ping got no answer in 34 s{told}")
    assert "--preload" in found.hint


def test_evidence_without_a_symptom_keeps_the_hint_of_the_clause() -> None:
    found = result("RUN-02", Status.FAIL, "`serve` ended by itself with 1; it printed nothing")
    assert found.hint == clauses()["RUN-02"].hint


def test_a_symptom_is_no_cure_for_another_clause() -> None:
    assert hints.cure("IMG-08", "ModuleNotFoundError: No module named 'x'") is None


def test_mistakes_belong_to_clauses_that_are_checked() -> None:
    for each in hints.MISTAKES:
        re.compile(each.symptom)
        assert all(not clauses()[id_].unchecked for id_ in each.clauses), each.symptom
