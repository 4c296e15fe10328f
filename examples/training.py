"""One training loop for the example networks: mixed precision, checkpoints, resuming."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Data", "fit", "logits_of", "settle"]


@dataclass(frozen=True)
class Data:
    """Training images, and how a batch of them becomes the network's input.

    Members
    -------
    images : tensor, shape (images, ...)
    labels : tensor of int64, shape (images,)
    prepare : callable
        Gets some of the images; gives the input, normalised float32 of shape (batch, channels, height, width).
    """

    images: torch.Tensor
    labels: torch.Tensor
    prepare: Callable[[torch.Tensor], torch.Tensor]


def fit(
    model: nn.Module,
    data: Data,
    batch: int,
    epochs: int,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    bfloat16: bool = False,
    compiled: bool = False,
    checkpoint: Path | None = None,
) -> None:
    """Train with cross entropy; images that fill no whole batch are left out of an epoch.

    Parameters
    ----------
    model, data, batch, epochs
    optimizer, schedule
        The schedule steps after every batch.
    bfloat16 : bool
        Mixed precision: faster where the CPU has instructions for it.
    compiled : bool
        Through ``torch.compile``, which needs a C++ compiler.
    checkpoint : Path or None
        Written after every epoch. Where it exists, training goes on from it as if it had not been interrupted.
    """
    model.to(memory_format=torch.channels_last)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    done = _resume(parts, checkpoint)
    forward = torch.compile(model, dynamic=False) if compiled else model
    steps = len(data.images) // batch
    for epoch in range(done, epochs):
        model.train()
        begin, total, right = time.perf_counter(), 0.0, 0
        for rows in torch.randperm(len(data.images))[: steps * batch].view(steps, -1):
            labels = data.labels[rows]
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = forward(data.prepare(data.images[rows]))
            loss = functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            right += int((logits.argmax(1) == labels).sum())
        seconds = time.perf_counter() - begin
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {right / steps / batch:.2%} right, "
              f"{seconds:.0f} s", flush=True)  # fmt: skip
        if checkpoint:
            _save(parts, epoch + 1, checkpoint)


def _resume(parts: dict, checkpoint: Path | None) -> int:
    """Load what a checkpoint holds, the random numbers' state too; the epochs done."""
    if checkpoint is None or not checkpoint.is_file():
        return 0
    stored = torch.load(checkpoint, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(stored[name])
    torch.set_rng_state(stored["random"])
    print(f"{checkpoint}: {stored['epochs']} epochs done", flush=True)
    return stored["epochs"]


def _save(parts: dict, epochs: int, checkpoint: Path) -> None:
    stored = {name: part.state_dict() for name, part in parts.items()}
    stored |= {"epochs": epochs, "random": torch.get_rng_state()}
    partial = checkpoint.with_suffix(".partial")
    torch.save(stored, partial)
    partial.replace(checkpoint)  # an interruption leaves the old one


def settle(model: nn.Module, data: Data, batch: int, batches: int = 100) -> None:
    """Measure the statistics of every BatchNorm again, with the weights as they are, over some training batches.

    Those kept in training are averages over steps with other weights. That matters where weights jump, as powers of
    two do. The random numbers' state is left as it was.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
    model.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for rows in torch.randperm(len(data.images))[: batch * batches].split(batch):
            model(data.prepare(data.images[rows]))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def logits_of(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Logits of normalised images, in float32 and evaluation mode."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in images.split(500)])
