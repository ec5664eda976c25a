"""Continuing each line of a file of cues.

The cues are continued one after another, not in one batch. A batch took half the time with a small
model, but its matmuls round differently: of 1,500 texts of 60 words, 2 were not those that their
cues give alone.
"""

from collections.abc import Iterable, Iterator

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import LstmgenError, printable
from lstmgen.generation.generator import Generator
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.sample_results import Result, generate_samples
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.cue_lines import CueLine


def continue_lines(
    generator: Generator,
    checkpoint: Checkpoint,
    lines: Iterable[CueLine],
    settings: SampleConfig,
    *,
    samples: int,
    seed: int,
    details: bool,
    source: str,
) -> Iterator[tuple[int, Result]]:
    """Continue each line as it is continued alone; yield its number and the result.

    Args:
        samples, seed: of each cue.
        source: name of the file, for messages.

    Raises:
        LstmgenError: of ``lines``; with the line, if its cue cannot be continued; without one, if
            no cue can be continued with these settings.
    """
    CueReader(generator, settings)
    for line in lines:
        try:
            result = generate_samples(
                generator, checkpoint, line.text, settings, samples=samples, seed=seed,
                details=details,
            )  # fmt: skip
        except LstmgenError as error:
            raise type(error)(f"{printable(source)}: line {line.number}: {error}") from None
        yield line.number, result
