"""Recording a training: metrics, events and samples in the run folder, rates and times."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lstmgen.errors import DivergedError
from lstmgen.evaluation.perplexity import Evaluation
from lstmgen.generation.chosen import ChosenSampling
from lstmgen.ngrams.kneser_ney import KneserNey
from lstmgen.runs.records import Records
from lstmgen.training.build import TrainingSetup
from lstmgen.training.distributed import World
from lstmgen.training.events import Evaluated, Finished, Notice, Started, Stepped
from lstmgen.training.loop import CHECK_EVERY, StepReport
from lstmgen.training.memorizing import find_memorizing
from lstmgen.training.meters import Meter, Spikes
from lstmgen.training.progress import Progress
from lstmgen.training.start_card import start_card
from lstmgen.training.tensorboard_log import TensorBoardLog

REPORT_SECONDS = 0.1  # between two step reports, since reading a GPU's sums syncs it
WARM_UP = 3  # steps excluded from throughput


class Journal:
    """The records and the clock of one training process; rank 0 writes."""

    def __init__(self, run: Path, setup: TrainingSetup, world: World) -> None:
        self.run, self.setup, self.world = run, setup, world
        self.records = Records(run, writes=world.is_main)
        self.meter, self.since_evaluation = Meter(), Meter()
        self.warm_up, self.spikes = WARM_UP, Spikes()
        self.started_at = self.reported_at = time.monotonic()
        self.seconds_before = 0.0  # of earlier processes of this run
        self.log = self._make_log(resumed_at=None)

    @property
    def progress(self) -> Progress:
        """The training's counters."""
        return self.setup.state.progress

    def restore(self) -> None:
        """Continue the records and the clock at the step of the checkpoint."""
        self.records.drop_after(self.progress.step)
        self.log = self._make_log(resumed_at=self.progress.step)
        if self.world.is_main:
            rows = self.records.rows()
            self.seconds_before = max((row["seconds"] or 0.0 for row in rows), default=0.0)

    def close(self) -> None:
        """Close the files that are open."""
        if self.log is not None:
            self.log.close()

    def _make_log(self, *, resumed_at: int | None) -> TensorBoardLog | None:
        config = self.setup.config
        if not self.world.is_main or not config.train.log:
            return None
        return TensorBoardLog(self.run, config, resumed_at=resumed_at)

    def seconds(self) -> float:
        """Training time of the run, without the time between its processes."""
        return self.seconds_before + time.monotonic() - self.started_at

    def epoch(self) -> float:
        """Epochs done, as a fraction."""
        steps = self.setup.plan.steps_in(self.progress.epoch)
        return self.progress.epoch + self.progress.epoch_step / steps

    def add_step(self, report: StepReport) -> list[Notice | Stepped]:
        """Count a step; report it at most every ``REPORT_SECONDS``, and any loss spike."""
        self.warm_up -= 1
        for meter in (self.meter, self.since_evaluation):
            meter.add(
                nats=report.sums[0], words=report.words, seconds=report.seconds,
                timed=self.warm_up < 0,
            )  # fmt: skip
        events: list[Notice | Stepped] = []
        spike = self._spike(report)
        if spike:
            events.append(Notice(spike))
        if time.monotonic() - self.reported_at >= REPORT_SECONDS:
            self.reported_at = time.monotonic()
            nats, rate = self.meter.nats_per_word, self.meter.words_per_second
            events.append(Stepped(report.step, self.setup.until, report.epoch, nats, rate))
        return events

    def _spike(self, report: StepReport) -> str:
        """A notice if a step's loss is far above the previous ones; otherwise empty."""
        if self.setup.state.model.device.type != "cpu" and report.step % CHECK_EVERY:
            return ""  # reading a GPU's sums syncs it
        nats = report.nats / report.words
        usual = self.spikes.update(nats)
        if usual is None:
            return ""
        facts = {"nats_per_word": nats, "usual": usual, "learning_rate": report.learning_rate}
        self.records.add_event("spike", report.step, facts)
        return (
            f"step {report.step:,} has {nats:.4g} nats per word, where {usual:.4g} were usual; "
            "training continues. If it happens again, lower train.learning_rate"
        )

    def add_row(self, report: StepReport | None, result: Evaluation | None) -> None:
        """Write a row of metrics; right after resuming there is no step report."""
        row = {
            "step": self.progress.step,
            "epoch": self.epoch(),
            "words": self.progress.words,
            "train_nats": self.meter.nats_per_word if self.meter.words else None,
            "valid_nats": None if result is None else result.nats_per_word,
            "valid_perplexity": None if result is None else result.perplexity,
            "learning_rate": None if report is None else report.learning_rate,
            "gradient_norm": None if report is None else report.gradient_norm,
            "words_per_second": self.meter.words_per_second or None,
            "seconds": self.seconds(),
        }
        self.records.add_row(row)
        if self.log is not None:
            self.log.add_row(row)
        self.meter = Meter()

    def add_samples(self, texts: Sequence[str]) -> None:
        """Record the samples of this step."""
        self.records.add_samples(self.progress.step, texts)
        if self.log is not None:
            self.log.add_samples(self.progress.step, texts)

    def add_evaluation(
        self, report: StepReport | None, result: Evaluation, *, zero_state: float | None, best: bool
    ) -> Evaluated:
        """Record an evaluation as a row of metrics and an event."""
        event = Evaluated(
            step=self.progress.step,
            epoch=self.epoch(),
            train_nats=self.since_evaluation.nats_per_word,
            nats=result.nats_per_word,
            perplexity=result.perplexity,
            zero_state_perplexity=zero_state,
            learning_rate=None if report is None else report.learning_rate,
            words_per_second=self.since_evaluation.words_per_second,
            seconds=self.seconds(),
            best=best,
        )
        self.add_row(report, result)
        self.records.add_event("evaluated", self.progress.step, asdict(event))
        self.since_evaluation = Meter()
        return event

    def add_start(self, ngrams: KneserNey | None, *, resumed: bool) -> Started:
        """Record the start card.

        Args:
            ngrams: the n-gram model of the training text, a baseline.
        """
        resumed_at = self.progress.step if resumed else None
        card = start_card(self.run, self.setup, self.world, ngrams, resumed_at=resumed_at)
        self.records.add_event("started", self.progress.step, asdict(card) | {"run": ""})
        return card

    def add_divergence(self, error: DivergedError) -> None:
        """Record a divergence."""
        self.records.add_event(
            "diverged", self.progress.step, {"message": str(error), **error.facts}
        )

    def add_end(
        self, reason: str, *, interrupted: bool, sampling: ChosenSampling | None = None
    ) -> Finished:
        """Record the end of the run."""
        event = Finished(
            run=self.run,
            step=self.progress.step,
            reason=reason,
            best_step=self.progress.best_step,
            best_nats=self.progress.best_nats,
            valid_nats=tuple(self.progress.valid_nats),
            seconds=self.seconds(),
            words=self.progress.words,
            interrupted=interrupted,
            report=self.setup.config.train.report is not None,
            patience=self.setup.config.train.patience,
            memorizing=find_memorizing(self.records.rows()) if self.world.is_main else None,
            sampling=sampling,
        )
        facts = {"reason": reason} | ({} if sampling is None else {"sampling": sampling.as_json()})
        self.records.add_event("finished", self.progress.step, facts)
        return event
