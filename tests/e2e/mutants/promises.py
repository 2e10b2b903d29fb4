"""Images that break what adapters, remote functions and HyperPod ask."""

from __future__ import annotations

from tests.e2e.mutants.mutant import Mutant

ADAPTED = 'model = adapted(model, self.headers.get("X-Amzn-SageMaker-Adapter-Identifier"))'
REFUSED = '        raise Refusal(404, "this adapter is not loaded")\n'
LOADED = (
    '        ADAPTERS[name] = float(json.loads((folder / "adapter.json").read_bytes())["shift"])\n'
)
REMOTE = ("remote-function",)
HYPERPOD = ("hyperpod",)


def _adapter(clause: str, old: str, new: str, also: tuple[str, ...] = ()) -> Mutant:
    return Mutant(clause=clause, old=old, new=new, features=("adapters",), also=also)


MUTANTS = {
    "adapters-at-another-path": _adapter("ADAPT-01", 'path == "/adapters"', 'path == "/lora"'),
    "adapters-stay": _adapter(
        "ADAPT-01",
        'and self.command == "DELETE":\n            unload_adapter',
        "and False:\n            unload_adapter",
    ),
    "adapters-load-once": _adapter(
        "ADAPT-01",
        LOADED,
        '        if name in SESSIONS:\n            raise Refusal(500, "loaded before")\n'
        f"        SESSIONS[name] = 0\n{LOADED}",
    ),
    "adapters-are-ignored": _adapter("ADAPT-02", ADAPTED, "pass"),
    "adapters-by-their-alias": _adapter(
        "ADAPT-02", ADAPTED, ADAPTED.replace("Adapter-Identifier", "Adapter-Alias")
    ),
    "unknown-adapters-are-the-base": _adapter("ADAPT-02", REFUSED, "        return model\n"),
    "the-last-adapter-for-all": _adapter(
        "ADAPT-03",
        "    if not name:\n        return model\n",
        "    name = name or max(ADAPTERS, default='')\n    if not name:\n        return model\n",
    ),
    "an-adapter-merged-into-the-base": _adapter(
        "ADAPT-03",
        "    return types.SimpleNamespace(mean=model.mean + ADAPTERS[name])\n",
        "    model.mean += ADAPTERS[name]\n    return model\n",
        also=("ADAPT-02",),
    ),
    "only-adapters-answer": _adapter(
        "ADAPT-03",
        "    if not name:\n        return model\n",
        "    if not name and ADAPTERS:\n        raise Refusal(400, 'which adapter?')\n"
        "    if not name:\n        return model\n",
        also=("ADAPT-02",),
    ),
    "remote-without-bash": Mutant(
        clause="REMOTE-01", dockerfile="RUN rm -f /bin/bash /usr/bin/bash", features=REMOTE
    ),
    "remote-with-python3-only": Mutant(
        clause="REMOTE-01", dockerfile="RUN rm -f /usr/local/bin/python", features=REMOTE
    ),
    "without-the-launcher": Mutant(
        clause="HYPER-01", dockerfile="RUN rm /usr/local/bin/hyperpodrun", features=HYPERPOD
    ),
    "a-launcher-without-torch": Mutant(
        clause="HYPER-01",
        program="hyperpodrun",
        old="import argparse\n",
        new="import argparse\n\nimport torch\n",
        features=HYPERPOD,
    ),
}
