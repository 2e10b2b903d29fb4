"""Images that fail only under the odd side of a training job's configuration and data."""

from __future__ import annotations

from tests.e2e.mutants.mutant import Mutant

JOB = '    resources = read_config("resourceconfig.json")\n'
"""Where the program knows its hyperparameters, and an exception becomes the reason of a failure."""
EARLY = "    forget_old_failure()\n"
"""Where an exception is a crash without a reason."""
CHANNELS = '    channels = read_config("inputdataconfig.json")\n'
SAVE = '    (OUTPUT / "data").mkdir(parents=True, exist_ok=True)\n'
MODEL = '(MODEL / "model.json").write_text(json.dumps({"mean": mean}))'
FAILS = ("OUT-01", "OUT-02", "OUT-03", "CFG-01", "ENV-01", "DATA-07", "GPU-04", "SERVE-03")
"""What may object, too, when not even the plain run is good."""


def _train(
    clause: str, old: str, new: str, features: tuple[str, ...] = (), also: tuple[str, ...] = ()
) -> Mutant:
    return Mutant(clause=clause, program="train", old=old, new=new, features=features, also=also)


def _checks(clause: str, condition: str, after: str = JOB, also: tuple[str, ...] = ()) -> Mutant:
    """It fails, with a reason, on a condition."""
    refusal = f"    if {condition}:\n        raise Failure('this is not what was expected')\n"
    return _train(clause, after, after + refusal, also=also)


MUTANTS = {
    "wants-json-numbers": _checks(
        "CFG-01", 'not isinstance(hyperparameters.get("epochs", 2), int)', also=FAILS
    ),
    "crashes-without-hyperparameters": _train(
        "CFG-01", EARLY, EARLY + '    read_config("hyperparameters.json")["epochs"]\n'
    ),
    "refuses-a-long-value": _checks(
        "CFG-01", "any(len(text) > 2000 for text in hyperparameters.values())"
    ),
    "wants-few-hyperparameters": _checks("CFG-01", "len(hyperparameters) > 64"),
    "wants-a-list": Mutant(
        clause="CFG-01",
        program="train",
        old=JOB,
        new=f"{JOB}    sum(read_config('hyperparameters.json')['layers'])\n",
        samples='hyperparameters = { layers = "[1, 2]" }',
        also=FAILS,
    ),
    "knows-json-only": _train(
        "CFG-02", JOB, f"{JOB}    json.loads(hyperparameters['name'])\n", also=FAILS
    ),
    "knows-no-quotes": _checks("CFG-02", "'\"' in hyperparameters.get('name', '')"),
    "keeps-quotes": _train(
        "CFG-02",
        SAVE,
        SAVE + '    name = read_config("hyperparameters.json").get("name", "none")\n'
        '    (OUTPUT / "data" / f"{name}.txt").touch()\n',
    ),
    "knows-its-hyperparameters": _checks(
        "CFG-03", "set(hyperparameters) - {'epochs', 'seconds', 'name', 'db_password'}"
    ),
    "crashes-on-a-long-value": _train(
        "CFG-01",
        EARLY,
        EARLY + "    for text in read_config('hyperparameters.json').values():\n"
        "        assert len(text) < 2000\n",
    ),
    "knows-its-channel-keys": _checks(
        "CFG-04",
        "any(set(each) - {'TrainingInputMode', 'S3DistributionType', 'RecordWrapperType',"
        " 'ContentType'} for each in channels.values())",
        CHANNELS,
    ),
    "knows-no-fast-file": _checks(
        "CFG-04",
        "any(each['TrainingInputMode'] not in ('File', 'Pipe') for each in channels.values())",
        CHANNELS,
    ),
    "knows-no-content-type": _checks(
        "CFG-04", "any('ContentType' in each for each in channels.values())", CHANNELS
    ),
    "reads-an-s3-address": _train(
        "CFG-04", CHANNELS, f"{CHANNELS}    channels[CHANNEL]['S3Uri']\n", also=FAILS
    ),
    "asks-its-kernel-who-it-is": _checks(
        "CFG-05", "socket.gethostname() not in resources['hosts']"
    ),
    "wants-algo-1": _checks("CFG-05", "resources['current_host'] not in ('algo-1', 'algo-2')"),
    "wants-eth0": _checks("CFG-05", "resources['network_interface_name'] != 'eth0'"),
    "reads-all-configuration": _train(
        "CFG-06", JOB, JOB + "    [json.loads(each.read_text()) for each in CONFIG.iterdir()]\n"
    ),
    "wants-channels-that-are-identifiers": _checks(
        "DATA-01", "not all(name.isidentifier() for name in channels)", CHANNELS
    ),
    "wants-lower-case-channels": _train(
        "DATA-01",
        CHANNELS,
        CHANNELS + "    [list((DATA / name.lower()).iterdir()) for name in channels]\n",
    ),
    "cuts-the-names-of-channels": _train(
        "DATA-01",
        CHANNELS,
        CHANNELS + "    [list((DATA / name[:32]).iterdir()) for name in channels]\n",
    ),
    "lists-the-channels": _train(
        "DATA-02", CHANNELS, CHANNELS + "    [list(each.iterdir()) for each in DATA.iterdir()]\n"
    ),
    "reads-folders-as-files": _train(
        "DATA-02",
        CHANNELS,
        CHANNELS + "    [each.read_bytes() for each in (DATA / CHANNEL).iterdir()]\n",
    ),
    "writes-into-its-channel": _train(
        "DATA-03", SAVE, SAVE + "    (DATA / CHANNEL / '.cache').touch()\n"
    ),
    "waits-for-no-pipe": _train(
        "DATA-04",
        "    while not path.exists():\n",
        "    if not path.exists():\n        raise Failure(f'there is no {path}')\n"
        "    while not path.exists():\n",
        features=("pipe-mode",),
    ),
    "reads-no-pipe": _train(
        "DATA-04",
        '    job.is_pipe = channels[CHANNEL].get("TrainingInputMode") == "Pipe"\n',
        "    job.is_pipe = False\n",
        features=("pipe-mode",),
    ),
    "wants-a-content-type": _checks(
        "DATA-07", "'ContentType' not in channels['training']", CHANNELS, also=FAILS
    ),
    "reads-all-channels": _train(
        "DATA-08",
        "    for path in list_files(CHANNEL):\n",
        '    names = read_config("inputdataconfig.json")\n'
        "    for path in [path for name in names for path in list_files(name)]:\n",
    ),
    "wants-sm-variables": _train(
        "ENV-01", JOB, JOB + '    os.environ["SM_MODEL_DIR"]\n', also=FAILS
    ),
    "wants-a-region": _train("ENV-03", JOB, JOB + '    os.environ["AWS_REGION"]\n'),
    "makes-no-folder": _train("TREE-02", SAVE, ""),
    "writes-into-var": _train(
        "TREE-03", SAVE, SAVE + "    pathlib.Path('/var/cache/numbers').write_text('1')\n"
    ),
    "drops-its-privileges": _train(
        "IMG-05",
        EARLY,
        EARLY + "    for folder in (MODEL, OUTPUT, OUTPUT / 'data', CHECKPOINTS):\n"
        "        with contextlib.suppress(OSError):\n"
        "            os.chown(folder, 65534, 65534)\n"
        "    os.setuid(65534)\n",
        also=("RUN-13",),
    ),
    "cannot-enter-its-configuration": _train(
        "TREE-05",
        EARLY,
        EARLY + "    assert CONFIG.stat().st_mode & 0o100\n",
    ),
    "overwrites-no-model": _train(
        "RUN-13", MODEL, "(MODEL / 'model.json').open('x').write(json.dumps({'mean': mean}))"
    ),
    "trusts-the-warm-pool": _train(
        "WARM-01",
        JOB,
        JOB + "    cache = os.environ.get('SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY', '/nowhere')\n"
        "    [json.loads(each.read_text()) for each in pathlib.Path(cache).glob('left*')]\n",
    ),
    "trusts-an-empty-cache": _train(
        "ENV-05",
        JOB,
        JOB + "    cache = os.environ.get('SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY', '')\n"
        "    say((pathlib.Path(cache) / 'index').read_text() if cache else 'no cache')\n",
    ),
    "prints-its-variables": _train("LOG-03", JOB, JOB + "    say(dict(os.environ))\n"),
    "prints-its-hyperparameters": _train("LOG-03", JOB, JOB + "    say(hyperparameters)\n"),
    "prints-a-metric-with-commas": _train(
        "MET-01", "train_loss={loss};", "train_loss: {loss};"
    ),
    "prints-no-objective-when-tuned": _train(
        "HPO-01",
        "    say(f\"epoch={state['epoch']}",
        "    if '_tuning_objective_metric' in read_config('hyperparameters.json'):\n"
        "        error = 'unknown'\n"
        "    say(f\"epoch={state['epoch']}",
        features=("tuning",),
    ),
    "wants-its-job-name": _checks(
        "HPO-02", "os.environ.get('TRAINING_JOB_NAME', '')[-1:].isdigit()"
    ),
    "fails-without-gpu": _train(
        "GPU-04", EARLY, EARLY + "    say('no GPU')\n    return 3\n", features=("gpu",), also=FAILS
    ),
    "takes-any-word": Mutant(
        clause="RUN-03",
        dockerfile="RUN printf '#!/bin/sh\\ncommand -v \"$1\" >/dev/null || exit 0\\nexec \"$@\"\\n'"
        ' >/usr/local/bin/entry && chmod 755 /usr/local/bin/entry\nENTRYPOINT ["entry"]',
    ),
}  # fmt: skip
