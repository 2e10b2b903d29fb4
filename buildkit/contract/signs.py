"""What checks have seen, as values: by it one clause explains another, and a mistake has a hint.

Evidence is text for people; no code reads it. Only what foreign programs say is matched by pattern.
"""

from __future__ import annotations

from enum import Enum


class Sign(Enum):
    """Comes with the evidence of a check; its value says what it means."""

    # The image cannot be laid out or started.
    BLOCKED = "/opt, or a path that SageMaker mounts, is not a folder in the image"
    UNFIT = "the engine cannot lay out a container"
    NO_ROOM = "a path that a container needs as a folder, such as its WORKDIR, is not one"
    NO_USER = "the image's USER does not exist"
    EMPTY_PATH = "PATH is empty"
    FOLDER_ON_PATH = "a folder on PATH has the name of the program"
    NOT_EXECUTABLE = "the program is not executable"
    NO_ENTRYPOINT = "the program of the image's ENTRYPOINT does not exist"

    # How a program ended, and what it left.
    CRASHED = "native code crashed"
    OUT_OF_MEMORY = "the program was killed, as when memory is full"
    SHARED_MEMORY = "shared memory is full"
    GAVE_REASON = "a failed run left a reason in /opt/ml/output/failure"
    SAMPLES_FAIL = "`train` fails on the samples"
    SAMPLES_EXPLAINED = "`train` fails on the samples, and succeeds where the clause is not needed"
    PROCESSING_FAILS = "`docker run IMAGE` fails on the samples"
    NOT_ROOT = "the program has no access to /opt/ml, which belongs to root"
    LONG_VALUE = "`train` fails with more or longer hyperparameters, and succeeds with a short one"
    CACHED = "`train` fails where a warm pool's cache is, and succeeds without one"
    BUFFERED = "Python buffers its output"
    FAILURE_UNSEEN = "a program without its inputs does not end with an error"
    REASON_LEFT = "a successful run left a failure file behind"
    REASON_NO_FILE = "/opt/ml/output/failure is not a regular file"
    REASON_ELSEWHERE = "a failed run left a reason in another file"
    REASON_UNCLEAR = "a failed run left a reason that people cannot use"

    # How a program took its stop signal.
    WORK_LOST = "a run that was stopped left no model"
    STOPSIGNAL = "the image's STOPSIGNAL is not the signal that SageMaker sends"
    FIRST_IS_R = "process 1, which got the signal, is an R program"
    FIRST_IS_SHELL = "process 1, which got the signal, is a shell"

    # What a server does.
    NOT_RUNNING = "the engine cannot start `serve`, or it ended by itself"
    UNHEALTHY = "the server never became healthy"
    UNREACHED = "nothing ever answered HTTP on the server's port"
    ENDED = "requests ended the server"
    PING = "GET /ping got no answer, or not 200, though the server had nothing else to do"
    NO_ANSWER = "a connection was accepted, and no answer came in time"
    NO_CONNECTION = "not even a connection was accepted in time"
    NOT_WHOLE = "the connection broke"
    IDLE_BLOCKS = "a connection that a client keeps open blocks all others"
    WORKER_KILLED = "gunicorn killed a worker that was busy for longer than its time-out"
    LISTENS_LOCALLY = "the server only listens on addresses of its own container"
    LISTENS_ON_SOCKET = "the server only listens on a unix socket"
    LISTENS_ELSEWHERE = "the server only listens on other ports than its own"
    LISTENS_NOWHERE = "the server opened no port in time"
    STILL_8080 = "the server listens on port 8080 although it was given another port"
    NO_WEBSOCKET = "the WebSocket does not open"

    # What an answer is.
    NOT_FOUND = "404"
    TOO_LARGE = "413"
    PROXY = "nginx answered instead of the program behind it"
    REDIRECTS = "the answer redirects"
    UNTYPED = "the answer has no Content-Type"
    WRONG_ANSWER = "a sample got 200, but not the answer that it should get"
    OF_ANOTHER = "a client got the answer to a request of another one"
    TAKES_GARBAGE = "garbage got an answer like a sample's"

    # What the image holds.
    DRIVER = "the image holds a part of the NVIDIA driver"
    NO_LABEL = "the label of a promised feature is missing, or not `true`"
    NO_FOLDER = "a link, a pipe or a file is where a container needs a folder"
    PLACE_TAKEN = "a link, a pipe or a device is where SageMaker puts inputs and results"
