"""Event files for TensorBoard (``train.log: [tensorboard]``), written beside metrics.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmgen.config.loader import dump
from lstmgen.config.schema import Config
from lstmgen.errors import ConfigError, Problem

FOLDER = "tensorboard"


def check_log(config: Config) -> None:
    """Check that the packages that ``train.log`` needs are installed.

    Raises:
        ConfigError: if one is missing.
    """
    if "tensorboard" not in config.train.log:
        return
    try:
        import tensorboard  # noqa: F401, an optional package
    except ImportError:
        problem = (
            "the optional package tensorboard is not installed. Install it: "
            "pip install 'lstmgen[tensorboard]', or leave the key out"
        )
        raise ConfigError([Problem("", "train.log", "tensorboard", problem)]) from None


class TensorBoardLog:
    """Writes the rows of metrics, the samples and the config of one training process.

    Args:
        run: the run folder. The file is created at the first record.
        resumed_at: the step from which training continues, None at a fresh start. TensorBoard
            ignores what earlier processes recorded after it.
    """

    def __init__(self, run: Path, config: Config, *, resumed_at: int | None) -> None:
        self.folder, self.config, self.resumed_at = run / FOLDER, config, resumed_at
        self._opened: Any = None

    def add_row(self, row: Mapping[str, float | int | None]) -> None:
        """Record a row of metrics: a scalar for each column with a value."""
        step = row["step"]
        for name, value in row.items():
            if name != "step" and value is not None:
                self._writer().add_scalar(name, value, step)
        self._writer().flush()

    def add_samples(self, step: int, texts: Sequence[str]) -> None:
        """Record the samples of a step, a text for each cue."""
        for number, text in enumerate(texts, start=1):
            self._writer().add_text(f"sample_{number}", text, step)
        self._writer().flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _writer(self) -> Any:
        if self._opened is None:
            from torch.utils.tensorboard import SummaryWriter  # needs the optional package

            resumed_at = self.resumed_at
            first = None if resumed_at is None else resumed_at + 1
            self._opened = SummaryWriter(str(self.folder), purge_step=first)
            if resumed_at is None:
                lines = dump(self.config).splitlines(keepends=True)
                self._opened.add_text("config", "".join(f"    {line}" for line in lines), 0)
        return self._opened
