"""Mutants of hosting: servers that break under load, under conditions, or as they lie there."""

from __future__ import annotations

from tests.e2e.mutants.mutant import Mutant

PING = '        if path == "/ping" and self.command in ("GET", "POST"):\n'
METRICS = '        if path == "/metrics" and self.command == "GET":\n'
INVOKE = "        model = find_model(name)\n"
LOAD = '            MODELS[""] = Model(MODEL)\n'
DESCRIBE = '        description = json.loads((folder / "model.json").read_bytes())\n'
START = '    say(f"serving on port {PORT}")\n'
SENT = (
    "            self.start_answer(200, accepted, self.extra_headers())\n"
    '            self.send_header("Content-Length", str(spool.tell()))'
)
COPY = "    def copy_body(self, body, size):\n"
BACKLOG = (
    "class Server(socketserver.ThreadingTCPServer):\n"
    '    """One thread per connection."""\n\n'
    "    allow_reuse_address = True\n    daemon_threads = True\n    request_queue_size = 128\n"
)

LOADED = {
    "metrics-behind-predictions": Mutant(
        clause="OBS-01",
        old=METRICS,
        new=f"{METRICS}            while len(IN_FLIGHT) > 1:\n                time.sleep(0.05)\n",
    ),
    "metrics-never-come": Mutant(
        clause="OBS-01", old=METRICS, new=f"{METRICS}            time.sleep(3600)\n"
    ),
    "metrics-are-a-page": Mutant(
        clause="OBS-02",
        old=METRICS,
        new=f"{METRICS}            page = b'<html><h1>Metrics</h1></html>'\n"
        '            return self.answer(200, page, "text/html")\n',
    ),
    "ping-behind-requests": Mutant(
        clause="SERVE-02",
        old=PING,
        new=f"        with MODELS_LOCK:\n            time.sleep(len(IN_FLIGHT) > 3)\n{PING}",
        also=("SERVE-08", "SERVE-15", "BATCH-07", "PIPE-06"),
    ),
    "one-connection-at-a-time": Mutant(
        clause="SERVE-02", old=BACKLOG, new=BACKLOG.replace("Threading", "")
    ),
    "answer-longer-than-it-says": Mutant(
        clause="SERVE-06",
        old='self.send_header("Content-Length", str(spool.tell()))',
        new='self.send_header("Content-Length", str(spool.tell() - 2))',
        also=("BATCH-01", "SERVE-15"),
    ),
    "compresses-unasked": Mutant(
        clause="SERVE-06",
        old=SENT,
        new="            import gzip\n            spool.seek(0)\n"
        "            zipped = gzip.compress(spool.read(), mtime=0)\n"
        '            return self.answer(200, zipped, accepted, {"Content-Encoding": "gzip"})\n' + SENT,
        also=("BATCH-01", "BATCH-05"),
    ),
    "answers-a-thousand-bytes": Mutant(
        clause="SERVE-06",
        old=SENT,
        new="            spool.truncate(min(spool.tell(), 1000))\n"
        f"            spool.seek(0, os.SEEK_END)\n{SENT}",
    ),
    "reads-a-thousand-bytes": Mutant(
        clause="SERVE-09",
        old="        body.seek(0)\n\n    def read_chunks",
        new="        body.truncate(1000)\n        body.seek(0)\n\n    def read_chunks",
        also=("SERVE-06",),
    ),
    "reads-one-segment": Mutant(
        clause="SERVE-09",
        old="        body.seek(0)\n\n    def read_chunks",
        new="        body.truncate(65536)\n        body.seek(0)\n\n    def read_chunks",
        also=("SERVE-06",),
    ),
    "type-with-parameters-is-unknown": Mutant(
        clause="SERVE-12",
        old='self.headers.get("Content-Type", "").split(";")[0].strip()',
        new='self.headers.get("Content-Type", "").strip()',
    ),
    "knows-no-list-of-types": Mutant(
        clause="SERVE-12",
        old='    for wish in accept.lower().split(","):',
        new="    for wish in [accept.lower()]:",
    ),
    "ping-longer-than-it-says": Mutant(
        clause="SERVE-02",
        old=PING + "            return self.answer(200)",
        new=PING + "            self.answer(200)\n            return self.wfile.write(b'pong')",
    ),
    "ping-fails-at-times": Mutant(
        clause="SERVE-02",
        old=PING + "            return self.answer(200)",
        new=PING + "            SESSIONS[object()] = 0\n"
        "            return self.answer(503 if len(SESSIONS) % 60 == 59 else 200)",
    ),
    "first-request-fails": Mutant(
        clause="SERVE-04",
        old=INVOKE,
        new="        if SESSIONS.setdefault('warm', 0) == 0:\n"
        "            SESSIONS['warm'] = 1\n"
        '            raise Refusal(503, "still loading")\n' + INVOKE,
        also=("SERVE-06",),
    ),
    "ends-after-bad-requests": Mutant(
        clause="SERVE-05",
        old="        except Refusal as refusal:\n",
        new="        except Refusal as refusal:\n            SESSIONS[object()] = 0\n"
        "            if len(SESSIONS) > 200:\n                os._exit(3)\n",
    ),
    "one-sample-is-slow": Mutant(
        slow=True,
        clause="SERVE-07",
        old=INVOKE,
        new='        time.sleep(61 * ("json" in self.headers.get("Content-Type", "")))\n' + INVOKE,
        also=("SERVE-06", "SERVE-14"),
    ),
    "short-backlog": Mutant(
        slow=True,
        clause="SERVE-08",
        old=BACKLOG,
        new=BACKLOG.replace("Threading", "").replace("128", "1"),
        also=("SERVE-02", "SERVE-15"),
    ),
    "large-body-413": Mutant(
        clause="SERVE-09",
        old=COPY,
        new=COPY + '        if size > 8 << 20:\n            raise Refusal(413, "too large")\n',
        also=("BATCH-04", "ASYNC-01"),
    ),
    "large-body-reset": Mutant(
        clause="SERVE-09",
        old=COPY,
        new=COPY + "        if size > 8 << 20:\n            raise ConnectionResetError\n",
        also=("BATCH-04", "ASYNC-01"),
    ),
    "expect-refused": Mutant(
        clause="SERVE-09",
        old="        self.send_response_only(100)\n        self.end_headers()\n        return True",
        new='        self.answer(417, b"no")\n        return False',
    ),
    "few-headers": Mutant(
        clause="SERVE-10",
        old=INVOKE,
        new='        if len(self.headers) > 8:\n            raise Refusal(431, "many")\n' + INVOKE,
    ),
    "short-headers": Mutant(
        clause="SERVE-10",
        old=INVOKE,
        new="        if any(len(each) > 1000 for each in self.headers.values()):\n"
        '            raise Refusal(431, "long")\n' + INVOKE,
    ),
    "headers-change-the-answer": Mutant(
        clause="SERVE-10",
        old="results = add_mean(READERS[content_type](body), model.mean)",
        new="results = add_mean(READERS[content_type](body), len(self.headers))",
        also=("SERVE-06",),
    ),
    "attributes-are-lost": Mutant(
        clause="SERVE-11",
        old="        if attributes:\n",
        new="        if not attributes:\n",
        features=("custom-attributes",),
    ),
    "unknown-type-500": Mutant(
        clause="SERVE-12",
        old="            raise Refusal(415, f",
        new="            raise Refusal(500, f",
    ),
    "parameters-of-a-type-500": Mutant(
        clause="SERVE-12",
        old="        content_type = content_type or",
        new='        if ";" in self.headers.get("Content-Type", ""):\n            raise KeyError\n'
        "        content_type = content_type or",
    ),
    "traceback-for-clients": Mutant(
        clause="SERVE-13",
        old='f"{refusal}\\n".encode()[:500]',
        new="traceback.format_exc().encode()",
    ),
    "long-error": Mutant(
        clause="SERVE-13",
        old='f"{refusal}\\n".encode()[:500]',
        new='f"{refusal}\\n".encode() * 200',
    ),
    "dies-when-hung-up-on": Mutant(
        clause="SERVE-14",
        old="        except ConnectionError:\n            raise\n",
        new="        except ConnectionError:\n            os._exit(4)\n",
    ),
    "dies-of-a-megabyte": Mutant(
        clause="SERVE-14",
        old=COPY,
        new=COPY + "        if 500_000 < size < 2_000_000:\n            os._exit(5)\n",
    ),
    "error-with-200": Mutant(
        clause="SERVE-13",
        old='            self.answer(refusal.status, f"{refusal}\\n".encode()[:500])',
        new="            if refusal.status != 400:\n"
        '                return self.answer(refusal.status, f"{refusal}\\n".encode()[:500])\n'
        '            self.answer_json({"error": str(refusal)})',
    ),
    "shares-the-last-answer": Mutant(
        clause="SERVE-06",
        old="results = add_mean(READERS[content_type](body), model.mean)",
        new="results = list(add_mean(READERS[content_type](body), model.mean))\n"
        '        SESSIONS["last"] = results\n'
        "        time.sleep(0.01)\n"
        '        results = iter(SESSIONS["last"])',
        also=("BATCH-07", "PIPE-06"),
    ),
    "answers-of-others": Mutant(
        clause="SERVE-06",
        old="results = add_mean(READERS[content_type](body), model.mean)",
        new='SESSIONS["numbers"] = list(READERS[content_type](body))\n'
        "        time.sleep(0.005)\n"
        '        results = add_mean(iter(SESSIONS["numbers"]), model.mean)',
        also=("BATCH-07",),
    ),
    "eight-at-once": Mutant(
        clause="SERVE-15",
        old=INVOKE,
        new="        IN_FLIGHT.add(-threading.get_ident())\n        time.sleep(0.05)\n"
        "        many = sum(1 for each in list(IN_FLIGHT) if each < 0)\n"
        "        IN_FLIGHT.discard(-threading.get_ident())\n"
        '        if many > 8:\n            raise Refusal(503, "busy")\n' + INVOKE,
    ),
    "ten-on-one-connection": Mutant(
        clause="SERVE-15",
        old=INVOKE,
        new='        self.served = getattr(self, "served", 0) + 1\n'
        '        if self.served > 10:\n            raise Refusal(503, "enough")\n' + INVOKE,
    ),
    "catches-all-paths": Mutant(
        clause="SERVE-19",
        old='        return self.answer(404, b"not found\\n")',
        new='        return self.answer(200, b"hello\\n")',
    ),
    "busy-and-never-stops": Mutant(
        clause="RUN-09",
        old='    say("stopping")\n',
        new='    say("stopping")\n'
        "    time.sleep(600 * any(IN_FLIGHT or time.sleep(0.001) for _ in range(300)))\n",
    ),
    "drops-what-is-in-flight": Mutant(
        clause="RUN-09", old="    while IN_FLIGHT and time", new="    while not IN_FLIGHT and time"
    ),
    "leaves-a-zombie": Mutant(
        clause="RUN-11",
        old=START,
        new="    if os.fork() == 0:\n        os._exit(0)\n" + START,
    ),
    "java-without-option": Mutant(
        clause="IMG-10",
        old=START,
        new='    os.spawnlp(os.P_NOWAIT, "java", "java", "100000")\n' + START,
        dockerfile="RUN cp /bin/sleep /usr/local/bin/java",
    ),
    "serves-in-silence": Mutant(
        clause="LOG-01", old="    print(text, flush=True)\n", new="    return text\n"
    ),
}  # fmt: skip
CONDITIONS = {
    "healthy-without-model": Mutant(
        clause="SERVE-04", old="            return 1\n", new="            pass\n"
    ),
    "healthy-with-garbage": Mutant(
        clause="SERVE-04",
        old="            return 1\n",
        new="            if not list_files(MODEL):\n                return 1\n",
    ),
    "needs-the-folder": Mutant(
        clause="SERVE-16",
        old=DESCRIBE,
        new='        next(folder.iterdir(), None)\n        description = {"mean": 3.5}\n',
        purposes=("inference",),
    ),
    "ignores-the-model": Mutant(
        clause="SERVE-16", old=DESCRIBE, new='        description = {"mean": 3.5}\n'
    ),
    "writes-beside-the-model": Mutant(
        clause="SERVE-17",
        old=LOAD,
        new='            (MODEL / "cache").write_text("")\n' + LOAD,
    ),
    "counts-its-variables": Mutant(
        clause="SERVE-18",
        old=LOAD,
        new="            if len(os.environ) > 90:\n                return 1\n" + LOAD,
    ),
    "reads-the-region": Mutant(
        clause="SERVE-18",
        old=LOAD,
        new='            {"us": 1, "eu": 1}[os.environ.get("SAGEMAKER_REGION", "us")[:2]]\n' + LOAD,
    ),
}
SERVERLESS = {
    "wants-two-gigabytes": Mutant(
        clause="SLS-01",
        old=LOAD,
        new="            if memory_limit() < 2 << 30:\n                raise MemoryError\n" + LOAD,
        features=("serverless",),
        also=("SLS-04",),
    ),
    "worker-for-each-model": Mutant(
        clause="SLS-02",
        old=START,
        new="    for _ in range(3):\n        if os.fork() == 0:\n            time.sleep(10**6)\n"
        + START,
        features=("serverless",),
    ),
    "writes-to-var": Mutant(
        clause="SLS-03",
        old=LOAD,
        new='            pathlib.Path("/var/cache/model").write_text("")\n' + LOAD,
        features=("serverless",),
    ),
    "slow-on-one-processor": Mutant(
        slow=True,
        clause="SLS-04",
        old=LOAD,
        new='            limit = pathlib.Path("/sys/fs/cgroup/cpu.max")\n'
        '            time.sleep(0 if limit.exists() and "max " in limit.read_text() else 185)\n'
        + LOAD,
        features=("serverless",),
    ),
    "makes-a-semaphore": Mutant(
        clause="SLS-05",
        old=LOAD,
        new="            import multiprocessing\n            multiprocessing.Lock()\n" + LOAD,
        features=("serverless",),
    ),
}
STILL = {
    "label-in-capitals": Mutant(
        clause="IMG-07",
        dockerfile="LABEL com.amazonaws.sagemaker.capabilities.multi-models=True",
    ),
    "label-left-out": Mutant(
        clause="PIPE-01",
        dockerfile='LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=""',
        features=("bind-to-port",),
    ),
    "driver-package": Mutant(
        clause="IMG-09",
        dockerfile="RUN printf 'Package: nvidia-driver-libs\\nStatus: install ok installed\\n\\n'"
        " >> /var/lib/dpkg/status",
    ),
    "driver-library": Mutant(
        clause="GPU-01",
        dockerfile="RUN cd /usr/lib/x86_64-linux-gnu && cp libc.so.6 libcuda.so.535.1"
        " && ln -s libcuda.so.535.1 libcuda.so.1",
    ),
    "driver-program": Mutant(clause="IMG-09", dockerfile="RUN cp /bin/true /usr/bin/nvidia-smi"),
    "key-in-a-variable": Mutant(
        clause="IMG-11",
        dockerfile="ENV SERVICE_ID=AKIAIOSFODNN7EXAMPLE",
        features=("marketplace",),
    ),
    "password-in-an-address": Mutant(
        clause="IMG-11",
        dockerfile="RUN true pip install --index-url https://me:pa55word@pypi.example.com/simple",
        features=("marketplace",),
    ),
    "profile-in-a-variable": Mutant(clause="ENV-02", dockerfile="ENV AWS_PROFILE=team"),
    "credentials-file": Mutant(
        clause="ENV-02", dockerfile="RUN mkdir /root/.aws && echo x > /root/.aws/credentials"
    ),
    "python-holds-back": Mutant(clause="ENV-06", dockerfile="ENV PYTHONUNBUFFERED="),
    "asks-for-no-gpu": Mutant(
        clause="GPU-02", dockerfile="ENV NVIDIA_VISIBLE_DEVICES=", features=("gpu",)
    ),
    "cuda-of-the-future": Mutant(
        clause="GPU-03", dockerfile="ENV CUDA_VERSION=14.1.0", features=("gpu",)
    ),
    "torch-of-the-future": Mutant(
        clause="GPU-03",
        dockerfile="RUN mkdir -p /usr/local/lib/python3.11/site-packages/torch && echo"
        " \"cuda = '14.0'\" > /usr/local/lib/python3.11/site-packages/torch/version.py",
        features=("gpu",),
    ),
    "compat-for-every-driver": Mutant(
        clause="GPU-05",
        dockerfile="ENV CUDA_VERSION=12.2.2 LD_LIBRARY_PATH=/usr/local/cuda/compat\n"
        "RUN mkdir -p /usr/local/cuda/compat && cd /usr/local/cuda/compat"
        " && cp /bin/true libcuda.so.535.104.05 && ln -s libcuda.so.535.104.05 libcuda.so.1",
        features=("gpu",),
    ),
    "first-gpu-only": Mutant(
        clause="GPU-06", dockerfile="ENV CUDA_VISIBLE_DEVICES=0", features=("gpu",)
    ),
    "no-sshd-for-mpi": Mutant(clause="DIST-06", features=("mpi",)),
    "no-libfabric": Mutant(clause="DIST-08", features=("efa",)),
}
MUTANTS = {**LOADED, **CONDITIONS, **SERVERLESS, **STILL}
