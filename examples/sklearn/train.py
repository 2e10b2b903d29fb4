"""A script-mode training script: a random forest on CSV files with the label in the first column.

Hyperparameters arrive as arguments, folders as SM_* variables. It also runs on a laptop:
python train.py --train FOLDER --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int, default=100)
    parser.add_argument("--max-depth", type=int, default=None)
    parser.add_argument("--train", type=Path, default=os.environ.get("SM_CHANNEL_TRAINING"))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    arguments = parser.parse_args()
    for name in ("train", "model_dir"):
        if getattr(arguments, name) is None:
            parser.error(f"--{name.replace('_', '-')} is needed outside SageMaker")
    return arguments


def read_rows(folder: Path) -> np.ndarray:
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"no CSV files in {folder}")
    return np.concatenate([np.loadtxt(path, delimiter=",", ndmin=2) for path in files])


def main() -> None:
    arguments = parse_arguments()
    rows = read_rows(arguments.train)
    labels, features = rows[:, 0].astype(int), rows[:, 1:]
    known, held_out, known_labels, held_out_labels = train_test_split(
        features, labels, test_size=0.2, random_state=0, stratify=labels
    )
    model = RandomForestClassifier(
        n_estimators=arguments.n_estimators, max_depth=arguments.max_depth, random_state=0
    )
    model.fit(known, known_labels)
    # SageMaker reads metrics from the log with a regular expression, here `accuracy=([0-9.]+)`.
    print(f"accuracy={model.score(held_out, held_out_labels):.4f}")
    joblib.dump(model, arguments.model_dir / "model.joblib")


if __name__ == "__main__":
    main()
