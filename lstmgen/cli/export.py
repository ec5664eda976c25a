"""``lstmgen export``."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from lstmgen.cli.options import Run, RunsDir, find_named
from lstmgen.cli.outcome import reported, warn
from lstmgen.errors import UsageError, printable
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint
from lstmgen.runs import checkpoint, exporting
from lstmgen.runs.folders import runs_folder


@reported
def export(
    run: Run = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder to write, or a zip file if the name ends in .zip; it must not exist yet.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Keep weights in float32 instead of float16.")
    ] = False,
    quantize: Annotated[
        Literal["int8"] | None,
        typer.Option(
            "--quantize",
            help="Store large matrices as 8-bit integers, if that changes the perplexity of the "
            "validation text by less than 0.5 %.",
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text", help="With --quantize: a file to score instead of the validation text."
        ),
    ] = None,
    training_text: Annotated[
        bool,
        typer.Option(
            "--training-text/--no-training-text",
            help="Include the copy index and the n-grams, which contain the training text's words.",
        ),
    ] = True,
    onnx: Annotated[
        Path | None,
        typer.Option(
            "--onnx", help="ONNX file to write instead, for other programs; it must not exist yet."
        ),
    ] = None,
    runs_dir: RunsDir = None,
) -> None:
    """Write a trained model to a folder of its own.

    Files needed only for resuming are left out. The folder can be copied anywhere, used by
    generate, and used as a starting point (train.init_from). If the name ends in .zip, it is
    written as one file to give away.

    Example: lstmgen export runs/story-20261121-180000 --output old-miller.zip
    """
    runs = runs_folder(runs_dir)
    run = find_named(run, runs)
    if onnx is not None:
        if output is not None or full or quantize or text is not None or not training_text:
            raise UsageError(
                "--onnx FILE is one file in float32, without the training text. Leave the other "
                "options out"
            )
        _export_onnx(run, onnx, runs)
        return
    output = _check_options(output, full=full, quantize=quantize, text=text)
    loaded = load_checkpoint(run, runs)
    _check_quantized(loaded.checkpoint, full=full, quantize=quantize)
    if quantize:
        _measure(loaded, text, runs)
    numbers: exporting.Numbers = quantize or ("float32" if full else "float16")
    _export(loaded, output, numbers=numbers, training_text=training_text)


def _check_options(
    output: Path | None, *, full: bool, quantize: str | None, text: str | None
) -> Path:
    """Check that the options fit together, and return what to write."""
    if output is None:
        raise UsageError(
            "nothing is named to write. Use --output FOLDER, --output FILE.zip or --onnx FILE"
        )
    if full and quantize:
        raise UsageError(f"--full and --quantize {quantize} contradict each other. Leave one out")
    if text is not None and not quantize:
        raise UsageError("--text goes with --quantize int8. Leave it out")
    _check_new(output, "--output")
    return output


def _export(
    loaded: LoadedCheckpoint, output: Path, *, numbers: exporting.Numbers, training_text: bool
) -> None:
    """Write a folder or a zip file."""
    config, left_out = exporting.without_training_text(loaded.config)
    written = exporting.export_checkpoint(
        loaded.checkpoint,
        output,
        numbers=numbers,
        training_text=training_text,
        config=None if training_text or not left_out else config,
    )
    typer.echo(output)
    _note_written(written, loaded)
    if not training_text:
        for name in left_out:
            warn(f"note: sample.{name} is left out, since it needs the training text")
    elif set(checkpoint.SHARED) & set(loaded.checkpoint.files):
        warn("note: it contains the words of the training text; --no-training-text omits them")
    if exporting.is_zip(output):
        folder = shlex.quote(exporting.folder_in(output))
        warn(f"to use it: unzip it, then lstmgen generate {folder}")


def _check_quantized(source: checkpoint.Checkpoint, *, full: bool, quantize: str | None) -> None:
    """Check that an already quantized model is exported as it is."""
    if source.quantized is not None and (full or quantize):
        option = f"--quantize {quantize}" if quantize else "--full"
        raise UsageError(
            f"{option}: {printable(source.path)} is quantized already ({source.quantized}). "
            "Leave the option out"
        )


def _measure(loaded: LoadedCheckpoint, text: str | None, runs: Path) -> None:
    """Print what quantizing costs, or raise an error if it costs too much."""
    from lstmgen.evaluation import quantization_cost, score_checkpoint  # torch

    path = loaded.checkpoint.path
    scoring = score_checkpoint.open_scoring(path, text=text, split="valid", runs=runs)
    cost = quantization_cost.measure_quantization(scoring)
    warn(
        f"quantized: the perplexity of {cost.text} is {cost.quantized:.4g}, before it was "
        f"{cost.exact:.4g} ({cost.change:+.2%})"
    )


def _export_onnx(run: Path | None, target: Path, runs: Path) -> None:
    """Write an ONNX file."""
    from lstmgen.generation import onnx_export

    onnx_export.require_packages()
    _check_new(target, "--onnx")
    loaded = load_checkpoint(run, runs)
    written, difference = onnx_export.export_onnx(loaded, target)
    typer.echo(target)
    _note_written(written, loaded)
    warn(f"checked: ONNX Runtime computes the same logits and states (to {difference:.1e})")


def _check_new(path: Path, option: str) -> None:
    """Check that a file or folder to write does not exist yet."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"{option} {printable(path)}: exists already. Choose a new name")


def _note_written(written: int, loaded: LoadedCheckpoint) -> None:
    source = loaded.checkpoint
    warn(f"{written:,} bytes, of step {source.step:,} of {source.path}")
