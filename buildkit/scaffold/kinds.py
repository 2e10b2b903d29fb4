"""The kinds of projects, and the files of examples/ that each is made of."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGES = "images.toml"
DATA = MappingProxyType({"samples/training/iris.csv": "iris/training/iris.csv"})
REQUEST = MappingProxyType(
    {"samples/payload.csv": "iris/payload.csv", "samples/expected.csv": "iris/expected.csv"}
)
PROGRAMS = MappingProxyType({"program/train": "basic/train", "program/serve": "basic/serve"})


class Kind(NamedTuple):
    """`parts` has a file of examples/ for each file of the project; images.toml is in init/.

    `context` is the folder that a build copies from, which the .dockerignore belongs into.
    """

    what: str
    parts: Mapping[str, str]
    context: str = ""


KINDS = MappingProxyType(
    {
        "algorithm": Kind(
            "your own programs `train` and `serve`, in any framework or none",
            {**PROGRAMS, **DATA, **REQUEST},
            context="program",
        ),
        "script": Kind(
            "your training script, in an image with scikit-learn",
            {"code/train.py": "sklearn/train.py", **DATA, **REQUEST},
        ),
        "extend": Kind(
            "your training script and packages, on AWS's PyTorch image",
            {"code/train.py": "pytorch-extended/train.py", **DATA},
        ),
        "r": Kind(
            "your own train.R and serve.R",
            {"program/train.R": "r/train.R", "program/serve.R": "r/serve.R", **DATA, **REQUEST},
            context="program",
        ),
        "dockerfile": Kind(
            "your own Dockerfile",
            {"Dockerfile": "dockerfile/Dockerfile", **PROGRAMS, **DATA, **REQUEST},
            context="program",
        ),
        "matrix": Kind(
            "many images: scikit-learn and XGBoost, in several versions and Pythons",
            {
                "code/sklearn/train.py": "sklearn/train.py",
                "code/xgboost/train.py": "xgboost/train.py",
                **DATA,
                **REQUEST,
            },
        ),
        "studio": Kind(
            "an environment for JupyterLab in SageMaker Studio",
            {
                "image/Dockerfile": "init/studio/image/Dockerfile",
                "image/requirements.txt": "init/studio/image/requirements.txt",
            },
            context="image",
        ),
    }
)
DEFAULT = "script"
