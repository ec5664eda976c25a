"""Shows a training run on stderr.

On a terminal: cards, a table, and a progress bar at the bottom. Elsewhere: plain lines, no
carriage returns, one line of progress every ten seconds. log.txt in the run folder gets the
same plain lines.
"""

import errno
import math
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from lstmgen.errors import LstmgenError, counted, printable
from lstmgen.reporting import number_format
from lstmgen.reporting.plots import draw_losses
from lstmgen.reporting.start_facts import ngram_name, start_facts
from lstmgen.runs.records import Records
from lstmgen.training.events import (
    Created,
    Evaluated,
    Event,
    Finished,
    Notice,
    Sampled,
    Saved,
    Started,
    Stepped,
)
from lstmgen.training.memorizing import Memorizing

INTERVAL = 10.0  # seconds between two plain lines of progress
LARGE_TEXT = 20_000_000  # bytes from which preparing a text gets a bar
HEADER = "      step   epoch  train loss  valid perplexity     words/s     time"


class TrainingConsole:
    """Prints the events of a training run; if ``quiet``, to log.txt only."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, quiet=quiet)
        self.live = self.console.is_terminal and not quiet
        self.bar: tqdm[Any] | None = None
        self.text_bar: tqdm[Any] | None = None
        self.log: Path | None = None
        self.started: Started | None = None
        self.header_shown = False
        self.last_print = time.monotonic()

    def preparing(self, done: int, total: int) -> None:
        """Show the progress through a large text, in bytes."""
        if not self.live or total < LARGE_TEXT:
            return
        if self.text_bar is None:
            self.text_bar = tqdm(
                total=total, unit="B", unit_scale=True, desc="reading", leave=False,
                file=sys.stderr, dynamic_ncols=True,
            )  # fmt: skip
        self.text_bar.update(done - self.text_bar.n)

    def show(self, event: Event) -> None:
        """Show one event.

        Raises:
            BrokenPipeError: if stderr is closed; later events go to log.txt only.
        """
        try:
            self._show(event)
        except SystemExit:  # rich's reaction to a closed pipe
            self.mute()
            raise BrokenPipeError from None
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            self.mute()
            raise BrokenPipeError from None

    def mute(self) -> None:
        """Stop printing; log.txt is still written."""
        self.console.quiet, self.live, self.bar = True, False, None

    def _show(self, event: Event) -> None:
        match event:
            case Created():
                if self.text_bar is not None:
                    self.text_bar.close()
                self.log = event.run / "log.txt"
            case Notice():
                self._print_line(f"note: {event.text}", style="yellow")
            case Started():
                self._show_start(event)
            case Stepped():
                self._show_step(event)
            case Evaluated():
                self._show_evaluation(event)
            case Sampled():
                for text in event.texts:
                    flat = " / ".join(line for line in text.split("\n") if line)
                    self._print_line(f"  step {event.step:,} | {flat}", style="cyan")
            case Saved():
                pass
            case Finished():
                self._show_end(event)

    @property
    def unknown_label(self) -> str:
        """The suffix of perplexities over less than half of the tokens."""
        return number_format.unknown_label(self.started.unknown_share) if self.started else ""

    @property
    def output_label(self) -> str:
        """The suffix of perplexities that are not the exact softmax's."""
        return number_format.output_label(self.started.output) if self.started else ""

    def close(self) -> None:
        """Remove the progress bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _print_line(self, text: str, *, style: str = "") -> None:
        """Print and log lines; the text may come from a corpus."""
        self._print(Text(printable(text), style=style))
        self._write_log(printable(text))

    def _print(self, content: Any) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            self.console.print(content, soft_wrap=not self.live)
        self.last_print = time.monotonic()

    def _write_log(self, text: str) -> None:
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    def _card(self, title: str, rows: list[tuple[str, str]]) -> None:
        rows = [(label, printable(value)) for label, value in rows]
        width = max(len(label) for label, _ in rows) + 2
        lines = [title, *(f"  {label:<{width}}{value}" for label, value in rows)]
        if self.live:
            grid = Table.grid(padding=(0, 2))
            for label, value in rows:
                grid.add_row(Text(label, style="dim"), Text(value, overflow="fold"))
            self._print(Panel(grid, title=title, title_align="left", expand=False))
        else:
            self._print(Text("\n".join(lines)))
        self._write_log("\n".join(lines))

    def _show_start(self, card: Started) -> None:
        self.started = card
        self._card("lstmgen train", start_facts(card))
        if self.live:
            self.bar = tqdm(
                total=card.steps, initial=card.resumed_at or 0, unit="step", file=sys.stderr,
                dynamic_ncols=True, leave=False, smoothing=0.05,
                bar_format="{n_fmt}/{total_fmt} |{bar}| {desc} {remaining} left",
            )  # fmt: skip

    def _show_step(self, step: Stepped) -> None:
        rate = f"{step.words_per_second:,.0f} words/s"
        if self.bar is not None:
            loss = number_format.nats(step.train_nats)
            self.bar.set_description_str(f"loss {loss}, {rate},", refresh=False)
            self.bar.update(step.step - self.bar.n)
        elif time.monotonic() - self.last_print >= INTERVAL:
            self._print_line(
                f"step {step.step:,}/{step.steps:,}, epoch {step.epoch:.2f}, "
                f"train {number_format.nats(step.train_nats)} nats/word, {rate}"
            )

    def _show_evaluation(self, event: Evaluated) -> None:
        if not self.header_shown:
            self._print_line(HEADER, style="bold")
            self.header_shown = True
            if self.started and not math.isnan(self.started.ngram):
                ngram = number_format.perplexity(self.started.ngram)
                name = ngram_name(self.started)
                self._print_line(f"{name:>10} {'':>7} {'':>11} {ngram:>17}", style="dim")
        star = "*" if event.best else " "
        line = (
            f"{star} {event.step:>8,} {event.epoch:>7.2f} "
            f"{number_format.nats(event.train_nats):>11} "
            f"{number_format.perplexity(event.perplexity):>17} {event.words_per_second:>11,.0f} "
            f"{number_format.duration(event.seconds):>8}"
        )
        line += self.unknown_label
        if event.zero_state_perplexity is not None:
            line += f"   from zero state {number_format.perplexity(event.zero_state_perplexity)}"
        self._print_line(line, style="green" if event.best else "")

    def _show_end(self, event: Finished) -> None:
        self.close()
        rows = [("ended", f"{event.reason}, after {number_format.duration(event.seconds)}")]
        if event.best_nats is not None:
            best = number_format.perplexity_of(event.best_nats)
            where = (
                f"on validation{self.output_label}{self.unknown_label}, at step {event.best_step:,}"
            )
            rows.append(("best perplexity", f"{best} {where}"))
            if self.started and not math.isnan(self.started.ngram):
                comparison = number_format.advise_by_ngram(
                    math.exp(min(event.best_nats, 690)),
                    self.started.ngram,
                    memorizing=event.memorizing is not None,
                    has_base=bool(self.started.base),
                )
                rows.append((ngram_name(self.started), comparison))
        if event.memorizing is not None:
            rows.append(("memorizing", _describe_memorizing(event, event.memorizing)))
        if event.sampling is not None:
            rows.append(("temperature", number_format.chosen_temperature(event.sampling)))
        if len(event.valid_nats) > 1:
            plain = "utf" not in (self.console.encoding or "").lower()
            curve = number_format.curve(event.valid_nats, width=40, plain=plain)
            rows.append(("validation curve", curve))
        plot = self._draw(event)
        if plot:
            rows.append(("plot", plot))
        if event.report and not event.interrupted:
            rows.append(("page", self._write_page(event)))
        rows.append(("run", str(event.run)))
        run = shlex.quote(str(event.run))
        if event.interrupted:
            rows.append(("to resume", f"lstmgen train --resume {run}"))
        rows.append(("to generate", f'lstmgen generate {run} --cue "..."'))
        self._card("stopped" if event.interrupted else "done", rows)

    def _draw(self, event: Finished) -> str:
        """Draw the losses; the file, or why there is none, or empty after too few steps."""
        path = event.run / "plots" / "loss.png"
        baselines = {}
        if self.started:
            baselines = {"unigram": self.started.unigram}
            baselines[ngram_name(self.started)] = self.started.ngram
        title = f"{event.run.name}: {counted(event.words, 'word')} scored"
        rows = Records(event.run).rows()
        try:
            drawn = draw_losses(rows, path, title=title, baselines=baselines)
        except Exception as error:  # whatever it is, the training itself is complete
            return f"not drawn: {printable(error)}"
        return str(path) if drawn else ""

    def _write_page(self, event: Finished) -> str:
        """Write the page of the run; the file, or why there is none."""
        from lstmgen.reporting.run_page import Contents, write_page  # numpy

        try:
            written = write_page(event.run, event.run.parent, contents=Contents())
        except (LstmgenError, OSError, MemoryError) as error:  # the training itself is complete
            return f"not written: {printable(error)}"
        model = "" if written.has_model else "; `lstmgen report --model` puts the model into it"
        return f"{written.path} (open it in a browser{model})"


def _describe_memorizing(event: Finished, found: Memorizing) -> str:
    """Since when, which checkpoint that leaves, and what to do."""
    if event.best_step == event.step:
        checkpoints = f"the best checkpoint is the last one, step {event.step:,}"
    else:
        checkpoints = (
            f"the best checkpoint (step {event.best_step:,}) is what generate uses, step "
            f"{event.step:,} is the last (generate --last)"
        )
    sign = ""
    if not found.rose and found.train_nats is not None:
        train, valid = (number_format.nats(n) for n in (found.train_nats, found.valid_nats))
        sign = f"the training loss of {train} is below half the validation loss of {valid}; "
    remedies = "more text or stronger dropout (model.dropout)"
    if found.rose:
        end = " or fewer epochs" if event.patience else ", fewer epochs or train.patience"
        remedies = f"more text, stronger dropout (model.dropout){end}"
    return f"since step {found.since:,}: {sign}{checkpoints}; what helps: {remedies}"
