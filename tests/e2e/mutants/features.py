"""Images that break what batch, multi-model, pipeline, streaming, session or large requests ask."""

from __future__ import annotations

from tests.e2e.mutants.mutant import Mutant

PING = (
    'if path == "/ping" and self.command in ("GET", "POST"):\n            return self.answer(200)'
)
PINGED = 'if path == "/ping" and self.command in ("GET", "POST"):\n            '
INVOKED = 'return self.invoke("", body)'
RESULTS = "results = add_mean(READERS[content_type](body), model.mean)"
STARTED = '    say(f"serving on port {PORT}")\n'
IN_BATCH = 'os.environ.get("SAGEMAKER_BATCH")'
SLEEP = 'time.sleep(description.get("load_seconds", 0))'
SOON = "startup-seconds = 60"
"""A server that is never healthy is given up sooner."""
UNTOLD = 'payload = [{ content-type = "text/csv", body = "samples/payload.csv" }]'
CAPABILITY = "LABEL com.amazonaws.sagemaker.capabilities"
SERVES = ("SERVE-06",)


def _batch(
    clause: str, old: str, new: str, also: tuple[str, ...] = (), samples: str = ""
) -> Mutant:
    return Mutant(clause=clause, old=old, new=new, features=("batch",), also=also, samples=samples)


def _models(
    clause: str, old: str, new: str, also: tuple[str, ...] = (), samples: str = ""
) -> Mutant:
    return Mutant(
        clause=clause, old=old, new=new, features=("multi-model",), also=also, samples=samples
    )


def _ports(
    clause: str, old: str, new: str, also: tuple[str, ...] = (), samples: str = ""
) -> Mutant:
    return Mutant(
        clause=clause, old=old, new=new, features=("bind-to-port",), also=also, samples=samples
    )


def _socket(clause: str, old: str, new: str, also: tuple[str, ...] = ()) -> Mutant:
    return Mutant(clause=clause, old=old, new=new, features=("bidirectional-streaming",), also=also)


def _session(old: str, new: str) -> Mutant:
    return Mutant(clause="SESS-01", old=old, new=new, features=("sessions",))


def _large(old: str, new: str, also: tuple[str, ...] = ()) -> Mutant:
    return Mutant(clause="ASYNC-01", old=old, new=new, features=("async",), also=also)


MUTANTS = {
    # Batch transform.
    "batch-is-never-healthy": _batch(
        "BATCH-01", PING, f"{PINGED}return self.answer(503 if {IN_BATCH} else 200)", samples=SOON
    ),
    "batch-has-no-invocations": _batch(
        "BATCH-01", INVOKED, f'return self.answer(404) if {IN_BATCH} else self.invoke("", body)'
    ),
    "parameters-in-curly-quotes": _batch(
        "BATCH-03",
        "return self.answer_json(parameters)",
        'return self.answer(200, "{\\u201cMaxPayloadInMB\\u201d: 6}".encode(), "application/json")',
    ),
    "parameters-too-large": _batch("BATCH-03", '"MaxPayloadInMB": 6', '"MaxPayloadInMB": 60'),
    "parameters-as-text": _batch(
        "BATCH-03", '"MaxConcurrentTransforms": 4', '"MaxConcurrentTransforms": "4"'
    ),
    "reads-no-chunks": _batch(
        "BATCH-04", 'if "chunked" in self.headers', 'if "CHUNKED" in self.headers'
    ),
    "takes-one-record": _batch(
        "BATCH-04",
        '        *lines, rest = (rest + block).split(b"\\n")\n',
        '        *lines, rest = (rest + block).split(b"\\n")\n'
        f"        if {IN_BATCH} and sum(1 for line in [*lines, rest] if line) > 1:\n"
        '            raise Refusal(400, "one record is wanted")\n',
        also=("BATCH-01",),
    ),
    "sorts-its-lines": _batch(
        "BATCH-05",
        "block = list(itertools.islice(numbers, 10000))",
        "block = sorted(itertools.islice(numbers, 10000))",
        samples=UNTOLD,
    ),
    "drops-the-first-line": _batch(
        "BATCH-05",
        "    for line in read_lines(body):\n        try:\n            yield float(line)",
        "    for number, line in enumerate(read_lines(body)):\n        try:\n"
        "            if number or b'1' != line:\n                yield float(line)",
        samples=UNTOLD,
    ),
    "drops-repeated-lines": _batch(
        "BATCH-05",
        "block = list(itertools.islice(numbers, 10000))",
        "block = list(dict.fromkeys(itertools.islice(numbers, 10000)))",
        samples=UNTOLD,
    ),
    "batch-answers-of-others": _batch(
        "BATCH-07",
        RESULTS,
        'SESSIONS["numbers"] = list(READERS[content_type](body))\n'
        "        time.sleep(0.005)\n"
        '        results = add_mean(iter(SESSIONS["numbers"]), model.mean)',
        also=("SERVE-06",),
    ),
    "answers-in-one-line": _batch(
        "BATCH-05", '"\\n".join(map(repr, block))', '", ".join(map(repr, block))', samples=UNTOLD
    ),
    "counts-its-requests": _batch(
        "BATCH-06",
        RESULTS,
        f"{RESULTS}\n        model.mean += 1",
        also=(*SERVES, "BATCH-01", "BATCH-04", "BATCH-05"),
    ),
    "refuses-a-retry": _batch(
        "BATCH-06",
        INVOKED,
        f"digest = hashlib.sha1(body.read()).digest()\n            body.seek(0)\n"
        f"            if {IN_BATCH} and digest in SESSIONS:\n"
        "                return self.answer(409)\n"
        "            SESSIONS[digest] = 0\n"
        f"            {INVOKED}",
        also=("BATCH-04", "BATCH-05"),
    ),
    "keeps-each-body": _batch(
        "BATCH-08",
        INVOKED,
        'pathlib.Path(f"/tmp/body-{time.time_ns()}").write_bytes(body.read())\n'
        f"            body.seek(0)\n            {INVOKED}",
    ),
    "takes-two-at-once": _batch(
        "BATCH-07",
        INVOKED,
        f"time.sleep(0.3 if {IN_BATCH} else 0)\n"
        f"            if {IN_BATCH} and len(IN_FLIGHT) > 2:\n"
        f"                return self.answer(503)\n            {INVOKED}",
    ),
    # Many models.
    "many-models-without-label": Mutant(
        clause="MME-01",
        dockerfile=f"{CAPABILITY}.multi-models=false",
        features=("multi-model",),
    ),
    "unhealthy-without-models": _models(
        "MME-01", PING, f"{PINGED}return self.answer(200 if MODELS else 503)", samples=SOON
    ),
    "loads-twice": _models("MME-02", "raise Refusal(409", "raise Refusal(200"),
    "loads-what-is-no-model": _models(
        "MME-02",
        'raise Refusal(400, f"cannot load the model',
        'raise Refusal(200, f"cannot load the model',
        also=("MME-09",),
    ),
    "dies-of-memory": _models(
        "MME-02",
        'raise Refusal(507, "there is not enough memory for this model")',
        "pass",
    ),
    "no-507": _models("MME-02", "raise Refusal(507", "raise Refusal(500"),
    "lists-bare-names": _models("MME-03", "[describe(*item) for item in", "[item[0] for item in"),
    "lists-snake-case": _models(
        "MME-03",
        "[describe(*item) for item in",
        '[{"model_name": item[0], "model_url": item[1].folder} for item in',
    ),
    "lists-one-only": _models(
        "MME-03", "loaded = sorted(MODELS.items())", "loaded = sorted(MODELS.items())[:1]"
    ),
    "lists-no-empty-list": _models(
        "MME-03",
        "return self.answer_json(list_models(query))",
        "return self.answer_json(list_models(query)) if MODELS else self.answer(404)",
    ),
    "tells-of-unknown-models": _models(
        "MME-04",
        "self.answer_json(describe(name, find_model(name)))",
        'self.answer_json({"modelName": name, "modelUrl": getattr(MODELS.get(name), "folder", "")})',
        also=("MME-05",),
    ),
    "tells-no-url": _models(
        "MME-04",
        "self.answer_json(describe(name, find_model(name)))",
        'self.answer_json({"modelName": name, "loaded": bool(find_model(name))})',
    ),
    "never-unloads": _models("MME-05", "MODELS.pop(name, None)", "MODELS.get(name)"),
    "unloads-unknown-models": _models(
        "MME-05",
        'is None:\n        raise Refusal(404, "this model is not loaded")',
        'is None:\n        raise Refusal(200, "this model is not loaded")',
    ),
    "keeps-memory": _models(
        "MME-05",
        "if MODELS.pop(name, None) is None:",
        "if not (gone := MODELS.pop(name, None)) or SESSIONS.setdefault(time.time(), gone) is None:",
    ),
    "asks-another-model": _models(
        "MME-06",
        "return self.invoke(name, body)",
        "return self.invoke(name if name in MODELS else next(iter(MODELS)), body)",
    ),
    "invokes-at-another-path": _models(
        "MME-06", '("POST", True, "invoke")', '("POST", True, "predict")'
    ),
    "a-load-stops-the-world": _models(
        "MME-07",
        SLEEP,
        'IS_MULTI_MODEL and __import__("re").match("(a+)+$", "a" * 28 + "b")',
    ),
    "writes-beside-its-model": _models(
        "MME-09",
        SLEEP,
        'IS_MULTI_MODEL and (folder / "lock").write_text("")',
        also=("MME-02",),
    ),
    "keeps-files-open": _models(
        "MME-09",
        SLEEP,
        'SESSIONS[id(self)] = (folder / "model.json").open()',
    ),
    "misses-vanished-folders": _models(
        "MME-09",
        "        LOADING.pop(name)\n",
        "        LOADING.pop(name)\n"
        "        os._exit(1) if not list_files(folder.parent) else None\n",
        also=("MME-02",),
    ),
    # Pipelines.
    "pipeline-without-label": Mutant(
        clause="PIPE-01",
        dockerfile=f"{CAPABILITY}.accept-bind-to-port=false",
        features=("bind-to-port",),
    ),
    "always-8080": _ports(
        "PIPE-02",
        'int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)',
        "8080",
        samples=SOON,
    ),
    "also-8080": _ports(
        "PIPE-02",
        STARTED,
        f"{STARTED}    if PORT != 8080:\n"
        '        second = Server(("0.0.0.0", 8080), Handler)\n'
        "        threading.Thread(target=second.serve_forever, daemon=True).start()\n",
    ),
    "a-fixed-port": _ports(
        "PIPE-03",
        STARTED,
        f'{STARTED}    aside = socketserver.TCPServer(("127.0.0.1", 8500), Handler)\n    say(str(aside))\n',
    ),
    "any-port": _ports(
        "PIPE-03",
        STARTED,
        f'{STARTED}    aside = socketserver.TCPServer(("127.0.0.1", 0), Handler)\n    say(str(aside))\n',
    ),
    "calls-all-json": _ports(
        "PIPE-04",
        "self.start_answer(200, accepted, self.extra_headers())",
        'self.start_answer(200, "application/json", self.extra_headers())',
        also=SERVES,
    ),
    "calls-all-html": _ports(
        "PIPE-04",
        "self.start_answer(200, accepted, self.extra_headers())",
        'self.start_answer(200, "text/html", self.extra_headers())',
        also=SERVES,
    ),
    "slow-on-one-cpu": _ports(
        "PIPE-06",
        PING,
        PINGED + 'Handler.pings = getattr(Handler, "pings", 0) + 1\n'
        '            names = ("cpu.max", "cpu/cpu.cfs_quota_us")\n'
        '            files = [pathlib.Path("/sys/fs/cgroup", name) for name in names]\n'
        "            words = [path.read_text().split()[0] for path in files if path.exists()]\n"
        '            if Handler.pings > 3 and not {"max", "-1"} & {*words}:\n'
        "                time.sleep(60)\n            return self.answer(200)",
        also=("SERVE-20",),
    ),
    # Streams.
    "buffers-its-stream": Mutant(
        clause="STREAM-01",
        old="    disable_nagle_algorithm = True\n",
        new="    disable_nagle_algorithm = True\n    wbufsize = 1 << 20\n",
        features=("streaming",),
    ),
    "streams-without-chunks": Mutant(
        clause="STREAM-01",
        old='        self.send_header("Transfer-Encoding", "chunked")\n',
        new='        self.send_header("Connection", "close")\n        self.close_connection = True\n',
        features=("streaming",),
    ),
    "socket-without-label": Mutant(
        clause="STREAM-02",
        dockerfile=f"{CAPABILITY}.bidirectional-streaming=false",
        features=("bidirectional-streaming",),
    ),
    "socket-at-another-path": _socket(
        "STREAM-02",
        'path == "/invocations-bidirectional-stream"',
        'path == "/ws"',
    ),
    "socket-with-a-wrong-key": _socket(
        "STREAM-02",
        "(key + WEBSOCKET_GUID)",
        "(key + key)",
    ),
    "wants-no-fragments": _socket(
        "STREAM-03",
        "if (opcode == CONTINUATION) != (kind is not None):",
        "if not is_last or opcode == CONTINUATION:",
    ),
    "forgets-fragments": _socket("STREAM-03", "message += payload", "message = payload"),
    "sends-reserved-bits": _socket(
        "STREAM-03", "bytes([0x80 | opcode])", "bytes([0xC0 | opcode])", also=("STREAM-04",)
    ),
    "answers-no-websocket-ping": _socket("STREAM-04", "self.send_frame(PONG, payload)", "continue"),
    "answers-no-close": _socket(
        "STREAM-04", "return self.send_frame(CLOSE, payload)", "return None"
    ),
    # Sessions.
    "sessions-without-end": _session('f"{session}; Expires={expires}"', "session"),
    "sessions-in-local-form": _session('"%Y-%m-%dT%H:%M:%SZ"', '"%d.%m.%Y %H:%M"'),
    "one-session-for-all": _session("session = os.urandom(16).hex()", 'session = "the-session"'),
    "opens-no-sessions": _session('if session == "NEW_SESSION":', 'if session == "NEW":'),
    "opens-in-the-name-of-the-sdk": _session(
        "X-Amzn-SageMaker-New-Session-Id", "X-Amzn-SageMaker-NewSessionId"
    ),
    "closes-unheard": _session('{"X-Amzn-SageMaker-Closed-Session-Id": session}', "{}"),
    "closes-another-session": _session(
        '{"X-Amzn-SageMaker-Closed-Session-Id": session}',
        '{"X-Amzn-SageMaker-Closed-Session-Id": session[::-1]}',
    ),
    # Large requests.
    "takes-100-megabytes": _large(
        "        if size < 0:\n            raise ValueError\n",
        "        if size < 0:\n            raise ValueError\n        if size > 100 << 20:\n"
        "            self.close_connection = True\n"
        '            raise Refusal(413, "too large")\n',
    ),
    "dies-of-large-bodies": _large(
        "            body.write(part)\n",
        "            body.write(part)\n            body.tell() < 500 << 20 or os._exit(9)\n",
    ),
    "pings-wait-for-bodies": _large(
        PING,
        f"{PINGED}time.sleep(4 if len(IN_FLIGHT) > 1 else 0)\n            return self.answer(200)",
        also=("SERVE-02",),
    ),
}
