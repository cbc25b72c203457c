"""What a person sees of a running training: one bar over all epochs with an estimate, a line an epoch, TensorBoard.

TensorBoard is optional, and imported only where it is asked for. Only process 0 shows and writes.
"""

import logging
import math
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any, Final

import torch
from tqdm import tqdm

from phenostream.trainer.training.progress import Score
from phenostream.trainer.training.settings import TrainSettings

logger = logging.getLogger(__name__)

_EVERY_STEPS: Final = 20
"""Steps between two points of the loss curve."""


class TrainingLog:
    """Opened for one training.

    Args:
        settings: `tensorboard` and `out`.
        per_epoch: Steps in an epoch.
        done: Epochs behind us: the bar starts there, and newer points of an interrupted run are dropped.
        shown: This process shows and writes.
    """

    def __init__(self, settings: TrainSettings, per_epoch: int, done: int, shown: bool) -> None:
        self._settings = settings
        self._step = done * per_epoch
        self._total = settings.epochs * per_epoch
        self._shown = shown
        self._close = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> "TrainingLog":
        self._bar = self._close.enter_context(
            tqdm(
                total=self._total,
                initial=self._step,
                desc="training",
                unit="batch",
                disable=None if self._shown else True,
            )
        )
        if self._settings.tensorboard and self._shown:
            from torch.utils.tensorboard import SummaryWriter

            folder = self._settings.out / "tensorboard"
            self._writer = SummaryWriter(str(folder), purge_step=self._step)
            self._close.callback(self._writer.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close.close()

    def step(self, rate: float, loss: torch.Tensor) -> None:
        """After each step."""
        if self._writer is not None and self._step % _EVERY_STEPS == 0:
            self._writer.add_scalar("step/loss", float(loss), self._step)
            self._writer.add_scalar("step/learning rate", rate, self._step)
        self._step += 1
        self._bar.update()

    def epoch(self, score: Score) -> None:
        """After each epoch."""
        if not self._shown:
            return
        values = asdict(score)
        self._bar.set_postfix(
            epoch=score.epoch + 1, f1=f"{score.macro_f1:.3f}", r=f"{score.mean_r:.3f}"
        )
        self._bar.clear()
        logger.info("%s", " ".join(f"{key} {_number(value)}" for key, value in values.items()))
        if self._writer is not None:
            for key, value in values.items():
                if key != "epoch" and math.isfinite(value):
                    self._writer.add_scalar(f"selection/{key}", value, self._step)
            self._writer.flush()


def _number(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
