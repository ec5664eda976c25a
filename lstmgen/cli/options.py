"""Options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

RunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir", help="Where runs are kept (default: $LSTMGEN_RUNS_DIR, else ./runs)."
    ),
]
Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", help="A run folder or one of its step folders (default: the newest run)."
    ),
]
