"""The image itself, how its programs start and stop, and what a job leaves."""

from __future__ import annotations

from tests.e2e.mutants.mutant import Mutant

TRAINING = ("training",)
INFERENCE = ("inference",)
FAILS = ("OUT-01", "OUT-02")
BEGIN = "    forget_old_failure()\n    try:\n"

MUTANTS: dict[str, Mutant] = {
    "shell-of-another-processor": Mutant(
        clause="IMG-01",
        dockerfile=(
            "RUN cp /bin/sh /tmp/sh && printf '\\267' | dd of=/tmp/sh bs=1 seek=18 conv=notrunc"
            " && mv /tmp/sh /bin/sh"
        ),
        also=("RUN-11",),
    ),
    "makes-a-device": Mutant(
        clause="IMG-04",
        program="train",
        old="    forget_old_failure()\n    try:\n",
        new="    forget_old_failure()\n    try:\n"
        "        os.mknod('/tmp/device', 0o020600, os.makedev(1, 3))\n",
        purposes=TRAINING,
        also=FAILS,
    ),
    "needs-shared-memory": Mutant(
        clause="DIST-10",
        program="train",
        old="    forget_old_failure()\n    try:\n",
        new="    forget_old_failure()\n    try:\n"
        "        pathlib.Path('/dev/shm/x').write_bytes(bytes(100 << 20))\n",
        purposes=TRAINING,
        also=FAILS,
    ),
    "another-user": Mutant(clause="IMG-05", dockerfile="USER 65534", also=("OUT-01",)),
    "a-baked-model": Mutant(
        clause="IMG-06", dockerfile="RUN mkdir -p /opt/ml/model && date > /opt/ml/model/m"
    ),
    "a-shell-as-entrypoint": Mutant(
        clause="RUN-04", dockerfile='ENTRYPOINT ["/bin/sh", "-c", "exec \\"$0\\""]'
    ),
    "a-bare-init": Mutant(
        clause="RUN-05",
        dockerfile='RUN printf "#!/bin/sh\\nshift; exec \\"\\$@\\"\\n" > /usr/bin/tini && '
        'chmod +x /usr/bin/tini\nENTRYPOINT ["/usr/bin/tini", "--"]',
    ),
    "train-is-not-executable": Mutant(
        clause="RUN-01", dockerfile="RUN chmod -x /usr/local/bin/train", purposes=TRAINING
    ),
    "train-from-windows": Mutant(
        clause="RUN-01", program="train", old="python3\n", new="python3\r\n", purposes=TRAINING,
        also=("OUT-01",),
    ),
    "train-names-no-interpreter": Mutant(
        clause="RUN-01", dockerfile="RUN sed -i '1s|.*|#!/usr/local/bin/python3\\r|' /usr/local/bin/train",
        purposes=TRAINING,
    ),
    "serve-names-no-interpreter": Mutant(
        clause="RUN-02", dockerfile="RUN sed -i '1s|.*|#!/usr/bin/python9|' /usr/local/bin/serve",
        purposes=INFERENCE,
    ),
    "serve-is-missing": Mutant(
        clause="RUN-02", dockerfile="RUN rm /usr/local/bin/serve", purposes=INFERENCE,
    ),
    "serve-goes-to-the-background": Mutant(
        clause="RUN-02",
        old="    signal.sigwait({signal.SIGTERM, signal.SIGINT})\n",
        new="    return 0\n",
        purposes=INFERENCE,
        samples='model = "samples/model"',
        also=("SERVE-02", "SERVE-03", "SERVE-06", "SERVE-14", "RUN-09"),
    ),
    "stopped-training-goes-on": Mutant(
        slow=True,
        clause="RUN-08",
        program="train",
        old="    raise Stopped\n",
        new="    time.sleep(600)\n",
        purposes=TRAINING,
        samples='hyperparameters = { epochs = "2", seconds = "3" }',
    ),
    "a-shell-in-front": Mutant(
        clause="RUN-08",
        dockerfile="RUN cd /usr/local/bin && mv train real-train"
        " && printf '#!/bin/sh\\nreal-train\\nexit $?\\n' > train && chmod 755 train",
        purposes=TRAINING,
    ),
    "saves-nothing-when-stopped": Mutant(
        clause="RUN-08",
        program="train",
        old='        say("stopped: saving the model made so far")\n',
        new='        say("stopped")\n        return\n',
        purposes=TRAINING,
        samples='hyperparameters = { epochs = "4", seconds = "1.5" }',
    ),
    "stopped-server-goes-on": Mutant(
        clause="RUN-09",
        old="    signal.sigwait({signal.SIGTERM, signal.SIGINT})\n",
        new="    time.sleep(3600)\n",
        purposes=INFERENCE,
        samples='model = "samples/model"',
    ),
    "model-outside-of-opt-ml-model": Mutant(
        clause="OUT-03",
        program="train",
        old='(MODEL / "model.json").write_text',
        new='(OUTPUT / "data/model.json").write_text',
        purposes=TRAINING,
    ),
    "a-link-out-of-the-model": Mutant(
        clause="OUT-03",
        program="train",
        old="        MODEL.mkdir(parents=True, exist_ok=True)\n",
        new="        MODEL.mkdir(parents=True, exist_ok=True)\n"
        '        (MODEL / "latest").symlink_to("/tmp")\n',
        purposes=TRAINING,
    ),
    "fails-with-0": Mutant(
        clause="OUT-01", program="train", old="    return 1\n", new="    return 0\n",
        purposes=TRAINING,
    ),
    "fails-without-a-reason": Mutant(
        clause="OUT-02",
        program="train",
        old="        FAILURE.write_text(reason[:1024]",
        new='        pathlib.Path("/tmp/failure").write_text(reason[:1024]',
        purposes=TRAINING,
    ),
    "reason-is-a-traceback": Mutant(
        clause="OUT-02",
        program="train",
        old="    reason = str(error) if expected",
        new="    reason = traceback.format_exc() if expected",
        purposes=TRAINING,
    ),
    "failure-after-success": Mutant(
        clause="OUT-02",
        program="train",
        old='    say("done")\n',
        new='    FAILURE.write_text("all is well")\n    say("done")\n',
        purposes=TRAINING,
    ),
    "a-folder-for-failures": Mutant(
        clause="OUT-02",
        program="train",
        old='    say("done")\n',
        new='    FAILURE.mkdir(exist_ok=True)\n    say("done")\n',
        purposes=TRAINING,
    ),
    "results-in-a-folder-for-failures": Mutant(
        clause="OUT-05",
        program="train",
        old='    say("done")\n',
        new='    FAILURE.mkdir(exist_ok=True)\n    (FAILURE / "rows.csv").touch()\n    say("done")\n',
        purposes=TRAINING,
        also=("OUT-02",),
    ),
    "results-beside-output-data": Mutant(
        clause="OUT-05",
        program="train",
        old='(OUTPUT / "data" / f"{job.host}.json").write_text',
        new='(OUTPUT / f"{job.host}.json").write_text',
        purposes=TRAINING,
    ),
    "output-becomes-a-link": Mutant(
        clause="OUT-05",
        program="train",
        old='    say("done")\n',
        new='    say("done")\n'
        '    import shutil\n'
        '    shutil.rmtree(OUTPUT)\n'
        '    OUTPUT.symlink_to("/srv")\n',
        purposes=TRAINING,
    ),
    "a-folder-of-its-own": Mutant(
        clause="TREE-01",
        program="train",
        old="        MODEL.mkdir(parents=True, exist_ok=True)\n",
        new="        MODEL.mkdir(parents=True, exist_ok=True)\n"
        '        (ROOT / "logs").mkdir(exist_ok=True)\n',
        purposes=TRAINING,
    ),
    "lives-on-after-its-work": Mutant(
        clause="OUT-06",
        program="train",
        old='    say("done")\n',
        new='    say("done")\n    time.sleep(15)\n',
        purposes=TRAINING,
    ),
    "says-nothing": Mutant(
        clause="LOG-01",
        program="train",
        old="    print(text, flush=True)\n",
        new="    pass\n",
        purposes=TRAINING,
        also=("MET-01",),
    ),
    "holds-its-log-back": Mutant(
        clause="LOG-02",
        program="train",
        old="    print(text, flush=True)\n",
        new='    print(text, flush=bool(os.environ.get("PYTHONUNBUFFERED")))\n',
        dockerfile="ENV PYTHONUNBUFFERED=",
        samples='hyperparameters = { epochs = "3", seconds = "1" }',
        purposes=TRAINING,
    ),
    "holds-a-short-log-back": Mutant(
        clause="LOG-02",
        program="train",
        old="    print(text, flush=True)\n",
        new='    print(text, flush=bool(os.environ.get("PYTHONUNBUFFERED")))\n',
        dockerfile="ENV PYTHONUNBUFFERED=",
        samples='hyperparameters = { epochs = "3", seconds = "0.3" }',
        purposes=TRAINING,
    ),
    "asks-for-a-name": Mutant(
        clause="RUN-07", program="train", old=BEGIN, new=f"{BEGIN}        input('name? ')\n",
        purposes=TRAINING, also=FAILS,
    ),
    "wants-a-terminal": Mutant(
        clause="RUN-07", program="train", old=BEGIN,
        new=f"{BEGIN}        if not sys.stdout.isatty():\n            raise Failure('no screen')\n",
        purposes=TRAINING, also=FAILS,
    ),
    "ends-by-a-bus-error": Mutant(
        clause="DIST-10", program="train", old=BEGIN,
        new=f"{BEGIN}        import mmap\n"
        "        with open('/dev/shm/x', 'w+b') as file:\n"
        "            file.truncate(100 << 20)\n"
        "            mmap.mmap(file.fileno(), 0)[:] = bytes(100 << 20)\n",
        purposes=TRAINING, also=FAILS,
    ),
    "fills-shared-memory-silently": Mutant(
        clause="DIST-10", program="train", old=BEGIN,
        new=f"{BEGIN}        with open('/dev/shm/x', 'wb', 0) as file:\n"
        "            [file.write(bytes(1 << 20)) for _ in range(100)]\n",
        purposes=TRAINING, also=FAILS,
    ),
    "listens-to-itself": Mutant(
        slow=True,
        clause="SERVE-01",
        old='Server(("0.0.0.0", PORT), Handler)',
        new='Server(("127.0.0.1", PORT), Handler)',
        purposes=INFERENCE,
        samples='model = "samples/model"\nstartup-seconds = 60',
    ),
    "only-on-a-unix-socket": Mutant(
        clause="SERVE-01",
        old='Server(("0.0.0.0", PORT), Handler)',
        new='socketserver.ThreadingUnixStreamServer("/tmp/g.sock", Handler)\n'
        '    say("Listening at: unix:/tmp/g.sock (1)")',
        dockerfile="RUN cd /usr/local/bin && mv serve gunicorn"
        " && printf '#!/bin/sh\\nexec gunicorn \"$@\"\\n' >serve && chmod 755 serve",
        purposes=INFERENCE,
        samples='model = "samples/model"',
    ),
    "never-healthy": Mutant(
        slow=True,
        clause="SERVE-03",
        old='        if path == "/ping" and self.command',
        new='        if path == "/health" and self.command',
        purposes=INFERENCE,
        samples='model = "samples/model"\nstartup-seconds = 60',
    ),
    "adds-something-else": Mutant(
        clause="SERVE-06",
        old="READERS[content_type](body), model.mean",
        new="READERS[content_type](body), -model.mean",
        purposes=INFERENCE,
        samples='model = "samples/model"',
    ),
}  # fmt: skip
