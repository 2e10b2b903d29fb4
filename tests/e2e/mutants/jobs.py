"""Checkpoints, several hosts, isolation, other people's scripts, and processing."""

from __future__ import annotations

from tests.e2e.mutants.mutant import Mutant

NO_ROUTE = r'"\neth0\t00000000\t" not in pathlib.Path("/proc/net/route").read_text()'
WITH_CODE = """\
        if (folder / "code/inference.py").exists():
            sys.path.insert(0, str(folder / "code"))
            import inference
"""
DESCRIPTION = '        description = json.loads((folder / "model.json").read_bytes())\n'
WITH_HANDLERS = """\
if (MODEL / "code/inference.py").exists():
    sys.path.insert(0, str(MODEL / "code"))
    import inference

    def load(self, folder):
        self.folder, self.files = str(folder), []
        self.user = inference.model_fn(str(folder))

    def invoke(self, name, body):
        data = inference.input_fn(body.read(), self.headers.get("Content-Type"))
        accept = self.accept() or DEFAULT
        found = inference.output_fn(inference.predict_fn(data, find_model(name).user), accept)
        self.answer(200, found.encode(), accept)

    Model.__init__, Handler.invoke = load, invoke

code = main()
"""
"""A server of a user's inference.py: DEFAULT is the type of an answer without an Accept header."""
SCRIPT = ("script-mode",)
NODES = ("two-node",)
PROCESSING = ("processing",)

MUTANTS: dict[str, Mutant] = {
    "checkpoints-elsewhere": Mutant(
        clause="SPOT-01",
        program="train",
        old='CHECKPOINTS = ROOT / "checkpoints"',
        new='CHECKPOINTS = pathlib.Path("/tmp")',
        features=("checkpoints",),
    ),
    "begins-from-nothing": Mutant(
        clause="SPOT-02",
        program="train",
        old="        state.update(newest_checkpoint(job))\n",
        features=("checkpoints",),
    ),
    "trusts-every-checkpoint": Mutant(
        clause="SPOT-03",
        program="train",
        old="except (ValueError, KeyError, TypeError, AttributeError):",
        new="except KeyError:",
        features=("checkpoints",),
    ),
    "checkpoints-of-no-host": Mutant(
        clause="SPOT-04",
        program="train",
        old='name = f"{job.host}-epoch-',
        new='name = f"host-epoch-',
        features=("two-node", "checkpoints"),
    ),
    "knows-no-second-host": Mutant(
        clause="DIST-01",
        program="train",
        old="    with connect(job.leader) as connection:\n",
        new='    raise Failure("there is nobody else")\n    with connect(job.leader) as connection:\n',
        features=NODES,
    ),
    "impatient-follower": Mutant(
        slow=True,
        clause="DIST-02",
        program="train",
        old="    pause = 0.1\n",
        new="    pause = 0.1\n    deadline = time.monotonic() + 8\n",
        features=NODES,
    ),
    "impatient-leader": Mutant(
        slow=True,
        clause="DIST-02",
        program="train",
        old="    while missing:\n",
        new="    deadline = time.monotonic() + 8\n    while missing:\n",
        features=NODES,
    ),
    "always-eth0": Mutant(
        slow=True,
        clause="DIST-03",
        program="train",
        old="address_of(job.interface)",
        new='address_of("eth0")',
        features=NODES,
    ),
    "always-algo-1": Mutant(
        clause="CFG-05",
        program="train",
        old="    job.leader = job.hosts[0]\n",
        new="    job.leader = job.hosts[0]\n"
        '    if not job.leader.startswith("algo-"):\n'
        '        raise Failure("there is no algo-1")\n',
        features=NODES,
    ),
    "two-models": Mutant(
        clause="OUT-03",
        program="train",
        old="    if job.host == job.leader:\n"
        "        MODEL.mkdir(parents=True, exist_ok=True)\n"
        '        (MODEL / "model.json").write_text(json.dumps({"mean": mean}))\n',
        new="    MODEL.mkdir(parents=True, exist_ok=True)\n"
        '    (MODEL / "model.json").write_text(json.dumps({"mean": mean, "host": job.host}))\n',
        features=NODES,
    ),
    "two-outputs": Mutant(
        clause="OUT-04",
        program="train",
        old='f"{job.host}.json").write_text',
        new='"result.json").write_text',
        features=NODES,
    ),
    "training-needs-a-network": Mutant(
        clause="ISO-01",
        program="train",
        old="def read_job(hyperparameters):\n",
        new="def read_job(hyperparameters):\n"
        f"    if {NO_ROUTE}:\n"
        '        raise Failure("cannot reach the licence server")\n',
        features=("isolation",),
    ),
    "training-waits-for-a-network": Mutant(
        clause="ISO-01",
        program="train",
        old="def read_job(hyperparameters):\n",
        new=f"def read_job(hyperparameters):\n    if {NO_ROUTE}:\n        time.sleep(50)\n",
        features=("isolation",),
    ),
    "serving-needs-a-network": Mutant(
        clause="ISO-01",
        old=DESCRIPTION,
        new=f'{DESCRIPTION}        if {NO_ROUTE}:\n            raise OSError("no licence server")\n',
        features=("isolation",),
    ),
    "program-of-the-hyperparameter": Mutant(
        clause="TTK-02",
        program="script_mode",
        old='os.environ.get("SAGEMAKER_PROGRAM") or str(reserved.get("sagemaker_program"))',
        new='str(reserved.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM"))',
        features=SCRIPT,
    ),
    "scripts-need-an-execute-bit": Mutant(
        clause="TTK-03",
        program="script_mode",
        old="(CODE / name).chmod(0o777)",
        new="pass",
        features=SCRIPT,
    ),
    "scripts-run-elsewhere": Mutant(
        clause="TTK-03",
        program="script_mode",
        old='return [sys.executable, "--", name, *arguments]',
        new='return ["/usr/bin/env", "-C", "/tmp", sys.executable, "--", str(CODE / name), *arguments]',
        features=SCRIPT,
    ),
    "believes-the-submit-directory": Mutant(
        clause="TTK-04",
        program="script_mode",
        old="    refuse_launchers(reserved)\n",
        new='    os.chdir(os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "/"))\n'
        "    refuse_launchers(reserved)\n",
        features=SCRIPT,
    ),
    "unpacks-no-archive": Mutant(
        clause="TTK-04",
        program="script_mode",
        old="elif tarfile.is_tarfile(location):",
        new="elif False:",
        features=SCRIPT,
    ),
    "code-is-baked-in": Mutant(
        clause="TTK-05",
        dockerfile="RUN mkdir -p /opt/ml/code && touch /opt/ml/code/.gitkeep",
        features=SCRIPT,
    ),
    "arguments-are-json": Mutant(
        clause="TTK-06",
        program="script_mode",
        old="    return str(value)\n",
        new="    return value if isinstance(value, str) else json.dumps(value)\n",
        features=SCRIPT,
    ),
    "a-shell-runs-values": Mutant(
        clause="TTK-07",
        program="script_mode",
        old='return [sys.executable, "--", name, *arguments]',
        new="quoted = [f'\"{word}\"' for word in arguments]\n"
        '    return ["/bin/sh", "-c", " ".join(["exec", sys.executable, "--", name, *quoted])]',
        features=SCRIPT,
        also=("TTK-08",),  # dash drops variables whose names hold a hyphen
    ),
    "hyphens-become-underscores": Mutant(
        clause="TTK-08",
        program="script_mode",
        old='variables[f"SM_HP_{key.upper()}"]',
        new='variables[f"SM_HP_{key.upper()}".replace("-", "_")]',
        features=SCRIPT,
    ),
    "another-model-folder": Mutant(
        clause="TTK-08",
        program="script_mode",
        old='"model_dir": "/opt/ml/model"',
        new='"model_dir": "/opt/ml/models"',
        features=SCRIPT,
    ),
    "failed-scripts-succeed": Mutant(
        clause="TTK-09",
        program="script_mode",
        old="        return code if code > 0 else 128 - code\n    return 1\n",
        new="        return code if code > 0 else 128 - code\n    return 0\n",
        features=SCRIPT,
    ),
    "no-output-no-failure": Mutant(
        clause="TTK-09",
        program="script_mode",
        old='        say(f"cannot write {FAILURE}: {problem}")\n',
        new='        sys.exit(f"{problem}" and 0)\n',
        features=SCRIPT,
    ),
    "exit-codes-of-scripts-are-lost": Mutant(
        clause="TTK-10",
        program="script_mode",
        old='f"ExitCode {code}"',
        new='"ExitCode"',
        features=SCRIPT,
    ),
    "torch-without-torchrun": Mutant(
        clause="DIST-07",
        dockerfile="RUN mkdir -p /usr/local/lib/python3.11/site-packages/torch && echo"
        " \"__version__ = '2.9.1+cpu'\" > /usr/local/lib/python3.11/site-packages/torch/version.py",
        features=("sdk-v3",),
    ),
    "keeps-sigterm-to-itself": Mutant(
        clause="TTK-13",
        program="script_mode",
        old="        self.stopped = True\n        self.forward()\n",
        new="        self.stopped = True\n",
        features=SCRIPT,
    ),
    "always-answers-in-json": Mutant(
        clause="ITK-02",
        old="code = main()\n",
        new=WITH_HANDLERS.replace("DEFAULT", '"application/json"'),
        features=SCRIPT,
        also=("ITK-04",),  # it calls no transform_fn
    ),
    "handlers-are-not-called": Mutant(
        clause="ITK-04",
        old=DESCRIPTION,
        new=f'{WITH_CODE}            raise ValueError("what are these functions for?")\n{DESCRIPTION}',
        features=SCRIPT,
    ),
    "healthy-without-a-model": Mutant(
        clause="ITK-07",
        old=DESCRIPTION,
        new=f"{WITH_CODE}"
        "            with contextlib.suppress(Exception):\n"
        "                inference.model_fn(str(folder))\n"
        "            self.mean, self.files = 0.0, []\n"
        f"            return\n{DESCRIPTION}",
        dockerfile="RUN ln -s /bin/true /usr/local/bin/multi-model-server",
    ),
    "without-pip": Mutant(
        clause="SDK-02",
        dockerfile="RUN rm -f /usr/local/bin/pip*",
        features=("sdk-v3",),
    ),
    "without-bash": Mutant(
        clause="SDK-02",
        dockerfile="RUN rm -f /bin/bash /usr/bin/bash",
        features=("sdk-v3",),
    ),
    "no-such-process": Mutant(
        clause="PROC-01",
        dockerfile='CMD ["no-such-program"]',
        features=PROCESSING,
    ),
    "process-in-a-shell": Mutant(
        clause="PROC-01",
        dockerfile="ENTRYPOINT process",
        features=PROCESSING,
        # Neither `train` nor `serve` can be said to such an image, and no signal gets through.
        also=("RUN-01", "RUN-02", "RUN-03", "RUN-04", "RUN-10", "OUT-01", "OUT-02"),
    ),
    "processing-never-succeeds": Mutant(
        clause="PROC-02",
        program="process",
        old='    say("done")\n    return 0\n',
        new='    say("done")\n    return 3\n',
        features=PROCESSING,
    ),
    "processing-never-fails": Mutant(
        clause="PROC-02",
        program="process",
        old="    return 1\n",
        new="    return 0\n",
        features=PROCESSING,
    ),
    "output-is-a-link": Mutant(
        clause="PROC-03",
        program="process",
        old='    write_json(PROCESSED / "summary.json", count(list_files(INPUT)))\n',
        new='    write_json(pathlib.Path("/tmp/summary.json"), count(list_files(INPUT)))\n'
        '    (PROCESSED / "summary.json").symlink_to("/tmp/summary.json")\n',
        features=PROCESSING,
    ),
    "no-output": Mutant(
        clause="PROC-03",
        program="process",
        old='    write_json(PROCESSED / "summary.json", count(list_files(INPUT)))\n',
        new="    print(count(list_files(INPUT)))\n",
        features=PROCESSING,
    ),
    "processing-reads-the-files-of-training": Mutant(
        clause="PROC-04",
        program="process",
        old="        time.sleep(read_seconds())\n",
        new="        time.sleep(read_seconds())\n"
        '        resources = pathlib.Path("/opt/ml/input/config/resourceconfig.json")\n'
        '        say(json.loads(resources.read_text())["current_host"])\n',
        features=PROCESSING,
        also=("PROC-02",),
    ),
    "message-is-not-utf-8": Mutant(
        clause="PROC-05",
        program="process",
        old='MESSAGE.write_text(reason[:1000], encoding="utf-8", errors="replace")',
        new='MESSAGE.write_bytes(reason.encode("utf-16"))',
        features=PROCESSING,
    ),
    "processing-ignores-sigint": Mutant(
        slow=True,
        clause="RUN-10",
        program="process",
        old="signal.signal(signal.SIGINT, stop)",
        new="signal.signal(signal.SIGINT, signal.SIG_IGN)",
        features=PROCESSING,
    ),
    "processing-ignores-sigterm": Mutant(
        slow=True,
        clause="RUN-10",
        program="process",
        old="    signal.signal(signal.SIGTERM, stop)\n",
        features=PROCESSING,
    ),
    "two-files-of-three": Mutant(
        clause="MON-01",
        program="process",
        old='    write_json(output / "constraints_violations.json", {"violations": []})\n',
        features=("model-monitor",),
    ),
    "statistics-are-no-json": Mutant(
        clause="MON-01",
        program="process",
        old='    write_json(output / "statistics.json", statistics)\n',
        new="    output.mkdir(parents=True, exist_ok=True)\n"
        '    (output / "statistics.json").write_text(str(statistics))\n',
        features=("model-monitor",),
    ),
}
