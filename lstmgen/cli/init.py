"""``lstmgen init``."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from lstmgen.cli.options import RunsDir
from lstmgen.cli.outcome import reported, warn
from lstmgen.config.loader import load_text
from lstmgen.errors import StorageError, UsageError, printable
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.runs.bundled import is_text
from lstmgen.runs.folders import RESOLVED, runs_folder
from lstmgen.training import core_sharing


@reported
def init(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="A file, a folder of texts, or a glob.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Config to write (default: print it)."),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", min=0, max=600, help="Seconds of training to time (0: do not time it)."
        ),
    ] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Examine a text, and write a config that fits it.

    The report goes to stderr, the config to stdout or into a file.

    Example: lstmgen init my-stories/ --output my.yaml
    """
    _check(text, output)
    core_sharing.share_cores()
    from lstmgen.reporting.examination_report import config_text, examination_json, report_lines
    from lstmgen.training.examination import examine  # numpy, after all checks

    with closing(TrainingConsole()) as console:
        found = examine(
            load_text(text), runs_folder(runs_dir), seconds=seconds, progress=console.preparing
        )
    config = config_text(found, folder=output.absolute().parent if output else Path.cwd())
    if not as_json:
        for line in report_lines(found):
            warn(line)
    if output is not None:
        _write(output, config)
    if as_json:
        typer.echo(json_text(examination_json(found, config)))
    elif output is None:
        warn("")
        typer.echo(config, nl=False)
    else:
        typer.echo(output)
        warn(f"to train: lstmgen train {printable(output)}")


def _check(text: str, output: Path | None) -> None:
    if text == "-":
        raise UsageError("-: init cannot read standard input. Name a file")
    if (Path(text) / RESOLVED).is_file():
        raise UsageError(f"{printable(text)}: is a run. Name the text that it was trained on")
    if not is_text(text) and not Path(text).exists():
        raise UsageError(f"{printable(text)}: no such file or folder")
    if not is_text(text):
        raise UsageError(f"{printable(text)}: is a config. Name the text that it trains on")
    if output is not None and (output.exists() or output.is_symlink()):
        raise UsageError(f"--output {printable(output)}: exists already. Name a new file")
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(f"--output {printable(output)}: its folder does not exist")


def _write(path: Path, config: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(config)
    except OSError as error:
        raise StorageError(f"{printable(path)}: cannot be written ({error.strerror})") from error
