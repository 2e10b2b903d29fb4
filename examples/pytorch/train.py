"""A script-mode training script: a small network on CSV files with the label in the first column.

Without torch's launcher, one process trains. With the launcher, on any number of hosts, processes
share the rows and have the same weights. It also runs on a laptop:
python train.py --train ../iris/training --model-dir /tmp/model
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

GPU = torch.cuda.is_available()


class Classifier(nn.Module):
    """The number of the best class, by the scores of a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.network(rows).argmax(dim=1)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--learning-rate", type=float, default=0.05)
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
    rows = np.concatenate([np.loadtxt(path, delimiter=",", ndmin=2) for path in files])
    return np.random.default_rng(0).permutation(rows)


def tensors(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(rows[:, 1:], dtype=torch.float32), torch.tensor(rows[:, 0]).long()


def main() -> None:
    arguments = parse_arguments()
    workers, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if workers > 1:
        torch.distributed.init_process_group("nccl" if GPU else "gloo")
        print(f"worker {rank} of {torch.distributed.get_world_size()}")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if GPU else "cpu"
    rows = read_rows(arguments.train)
    held_out, known = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    features, labels = (each.to(device) for each in tensors(known[rank::workers]))

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.BatchNorm1d(features.shape[1]),
        nn.Linear(features.shape[1], 16),
        nn.ReLU(),
        nn.Linear(16, int(rows[:, 0].max()) + 1),
    ).to(device)
    trained = DistributedDataParallel(network) if workers > 1 else network
    optimizer = torch.optim.Adam(trained.parameters(), lr=arguments.learning_rate)
    for epoch in range(arguments.epochs):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(trained(features), labels)
        loss.backward()
        optimizer.step()
        if epoch % 50 == 0:
            print(f"epoch={epoch} loss={loss.item():.4f}")

    if rank == 0:
        classifier = Classifier(network.cpu().eval())
        features, labels = tensors(held_out)
        accuracy = (classifier(features) == labels).double().mean()
        # SageMaker reads metrics from the log with a regular expression: `accuracy=([0-9.]+)`.
        print(f"accuracy={accuracy:.4f}")
        torch.jit.script(classifier).save(arguments.model_dir / "model.pth")
    if workers > 1:
        # A process that ends first must not cut off what another still sends.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
