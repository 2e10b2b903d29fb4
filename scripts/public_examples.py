"""Containers that nobody here wrote: the suite on the public SageMaker examples.

    scripts/public_examples.py [--from REPOSITORY] [--base PATTERN=IMAGE]... [--show FOLDER] [NAME]...

Their files are taken from the repository of the examples at each run, a clone of which may be
given, and built as published but for what MENDS says. A base that cannot be pulled has a
stand-in: what `--base` says, else what STAND_INS says, made from $BUILDKIT_SUBSTITUTE
(`scripts/bases 3.9 3.11 3.13`). A CA bundle for pip, as in docs/networks.md, is part of the base
then. With names, only these examples; `--show` keeps the whole reports in a folder.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from public_samples import SAMPLES

PUBLISHED = "https://github.com/aws/amazon-sagemaker-examples"
BUILDKIT = str(Path(sys.executable).with_name("buildkit"))
OURS = "buildkit.local/public-examples"
UBUNTU = """
FROM python:3.13-slim-bookworm AS keys
RUN apt-get -q update && apt-get -qy install --no-install-recommends ubuntu-archive-keyring
FROM python:3.11-slim-bookworm AS make
RUN apt-get -q update && apt-get -qy install --no-install-recommends mmdebstrap gpg
COPY --from=keys /usr/share/keyrings/ /usr/share/keyrings/
RUN mmdebstrap --mode=root --variant=minbase --components=main,universe bionic /ubuntu
FROM scratch
COPY --from=make /ubuntu /
CMD ["bash"]
"""
