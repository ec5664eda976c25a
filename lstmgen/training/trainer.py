"""Where settings meet objects: one training run, told as a stream of events."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from lstmgen.config.schema import Config
from lstmgen.errors import (
    DivergedError,
)
from lstmgen.evaluation.perplexity import Evaluation, evaluate, evaluate_from_zero
from lstmgen.generation.samples import continue_cues
from lstmgen.model.factory import to_arrays
from lstmgen.model.language_model import LanguageModel
from lstmgen.runs import checkpoint
from lstmgen.runs.records import Records
from lstmgen.text.prepare import index_copies
from lstmgen.training.build import Ready
from lstmgen.training.card import start_card
from lstmgen.training.checkpoints import Keeper, check_disk_space
from lstmgen.training.distributed import World
from lstmgen.training.events import (
    Evaluated,
    Event,
    Finished,
    Notice,
    Sampled,
    Saved,
    Started,
    Stepped,
)
from lstmgen.training.loop import LOOK, StepReport
from lstmgen.training.meters import Meter, Spikes
from lstmgen.training.progress import Progress
from lstmgen.training.signals import Asked

ROWS = 200  # of metrics.csv in a run, beside those of evaluations
EVALUATIONS = 20  # of a run, at ends of epochs, unless the config says otherwise
SAMPLES = 5  # times a run continues its cues, unless the config says otherwise
SAVE_SECONDS = 600.0  # after which a checkpoint is written, whatever the config says
TELL = 0.1  # seconds between two steps that are told: reading a GPU's sums waits for it
WARM_UP = 3  # steps of a process that no rate counts: kernels are being made


class Session:
    """One training process at work on one run folder."""

    def __init__(self, run: Path, ready: Ready, asked: Asked, world: World) -> None:
        self.run, self.ready, self.asked, self.world = run, ready, asked, world
        self.config, self.corpus = ready.config, ready.corpus
        self.plan, self.until, self.trainee = ready.plan, ready.until, ready.trainee
        self.records = Records(run, writes=world.leads)
        self.index, self.index_notice = (
            index_copies(self.config.data, self.corpus) if world.leads else (None, "")
        )
        self.keeper = Keeper(
            run,
            self.config,
            self.corpus,
            ready.fit,
            schedule_steps=self.until,
            world=world,
            bf16=ready.bf16,
            origin=ready.origin,
        )
        self.meter, self.since_evaluation = Meter(), Meter()
        self.warm_up, self.spikes = WARM_UP, Spikes()
        self.told_to = Told()
        self.passed_over: list[str] = []  # what a resumption could not use
        self.begun = self.told = time.monotonic()
        self.seconds_before = 0.0  # of the processes that trained this run before

    @property
    def progress(self) -> Progress:
        """How far the training has come."""
        return self.trainee.progress

    @property
    def model(self) -> LanguageModel:
        """What is trained."""
        return self.trainee.model

    def events(self, *, resumed: bool) -> Iterator[Event]:
        """The whole of the training."""
        # Not before a resumption is known to be one of the same text.
        if self.index is not None:
            arrays = self.index.to_arrays()
            self.keeper.copy_index = checkpoint.write_shared(
                self.run / checkpoint.COPY_INDEX, arrays
            )
        decided = (
            *self.passed_over, *self.ready.notices, self.index_notice, self._precision_changed()
        )  # fmt: skip
        for notice in (*self.corpus.notices, *decided):
            if notice:
                yield Notice(notice)
        if self.world.leads:  # it counts n-grams
            yield self._card(resumed=resumed)
        self.told_to = self._hear()
        reason = self._limit_reached()
        due = bool(reason) or self._due(self.config.train.eval_every)
        if resumed and due and not self._evaluated():
            yield from self._evaluate(None)  # the run was stopped just before it
            if self.world.leads:  # the step's folder has these weights already
                self.keeper.write_index(self.progress)
        reason = reason or self._patience_over()
        if resumed and reason:
            yield self._finish(f"already finished: {reason}", interrupted=False)
            return
        schedule = self.config.train.schedule
        ends = schedule in ("cosine", "one_cycle")
        if ends and self.until > self.keeper.schedule_steps:
            yield Notice(
                f"the {schedule} schedule keeps its length of {self.keeper.schedule_steps:,} "
                "steps: behind it the learning rate is 0 and nothing is learnt"
            )
        reports = self.ready.steps(
            until=self.until, schedule_steps=self.keeper.schedule_steps, world=self.world
        )
        with self._noting_divergence():
            while not reason:
                report = next(reports)
                self.told_to = self._hear()
                reason = self._limit_reached()
                yield from self._after_step(report, ending=bool(reason))
                reason = reason or self._patience_over()
                if self.stopping:
                    yield from self._save()
                    yield self._finish("stopped by a signal", interrupted=True)
                    return
            yield from self._save()
        if self.trainee.average is not None and not self.trainee.average.steps:
            yield Notice(
                f"train.average = {self.config.train.average}: it never began, so the weights are "
                "those of the last step"
            )
        yield self._finish(reason, interrupted=False)

    @contextmanager
    def _noting_divergence(self) -> Iterator[None]:
        try:
            yield
        except DivergedError as error:
            facts = {"message": str(error), **error.facts}
            self.records.add_event("diverged", self.progress.step, facts)
            raise

    # What happens after a step

    def _after_step(self, report: StepReport, *, ending: bool) -> Iterator[Event]:
        settings = self.config.train
        self.warm_up -= 1
        for meter in (self.meter, self.since_evaluation):
            meter.add(
                nats=report.sums[0],
                words=report.words,
                seconds=report.seconds,
                timed=self.warm_up < 0,
            )
        yield from self._look_for_a_spike(report)
        if time.monotonic() - self.told >= TELL:
            self.told = time.monotonic()
            yield Stepped(
                report.step,
                self.until,
                report.epoch,
                self.meter.nats_per_word,
                self.meter.words_per_second,
            )
        if self.stopping:
            return
        best = False
        if ending or self._due(settings.eval_every):
            for event in self._evaluate(report):
                best = best or (isinstance(event, Evaluated) and event.best)
                yield event
            if self.stopping:
                return
        elif report.step % max(1, self.until // ROWS) == 0:
            self._add_row(report, None)
        if self.config.sample.cues and self.world.leads:
            every = settings.sample_every or max(1, -(-self.until // SAMPLES))
            if report.step % every == 0 or ending:
                yield self._sample()
        due = self._due(settings.save_every) if settings.save_every else self._evaluated()
        if best or due or ending or self.told_to.save:
            self.asked.save = False
            yield from self._save()

    def _look_for_a_spike(self, report: StepReport) -> Iterator[Event]:
        """Tell of a step that is far off those before it; training goes on."""
        if self.model.device.type != "cpu" and report.step % LOOK:
            return  # to read a GPU's sums is to wait for it
        nats = report.nats / report.words
        usual = self.spikes.look(nats)
        if usual is not None:
            facts = {"nats_per_word": nats, "usual": usual, "learning_rate": report.learning_rate}
            self.records.add_event("spike", report.step, facts)
            yield Notice(
                f"step {report.step:,} has {nats:.4g} nats per word, where {usual:.4g} were usual; "
                "training goes on. If it comes again, lower train.learning_rate"
            )

    def _due(self, every: int | None) -> bool:
        """Whether the step just done is one of every so many, or ends one of some 20 epochs."""
        if every is None:
            apart = max(1, round(self.ready.epochs / EVALUATIONS))
            return self.progress.epoch_step == 0 and self.progress.epoch % apart == 0
        return self.progress.step % every == 0

    def _evaluated(self) -> bool:
        return self.progress.evaluated == self.progress.step

    def _evaluate(self, report: StepReport | None) -> Iterator[Event]:
        """Score the validation text; a signal in the middle leaves it to the resumption."""
        valid = self.corpus.valid
        if valid is None:
            self.progress.evaluated = self.progress.step
            self._add_row(report, None)
            return
        unknown, zero_state = self.corpus.vocabulary.unknown_id, None

        def going() -> bool:  # asked as often by every rank: windows depend on the text alone
            self.told_to = self.told_to._replace(stop=self.world.agree(self.asked.stop)[0])
            return not self.stopping

        with self.trainee.averaged() as model:
            result = evaluate(model, valid, unknown_id=unknown, keep_going=going)
            if not self.plan.carries:
                zero_state = evaluate_from_zero(
                    model, valid, unknown_id=unknown, window=self.plan.window, keep_going=going
                ).perplexity
        if self.stopping:
            return
        # All go by the first rank's figures: another machine may round otherwise.
        result, zero_state = self.world.everybody((result, zero_state))[0]
        self.progress.evaluated = self.progress.step
        best = self.progress.record(result.nats_per_word)
        if self.trainee.average is not None:
            self.trainee.average.look(self.model, self.progress.valid_nats)
        event = Evaluated(
            step=self.progress.step,
            epoch=self._epoch(),
            train_nats=self.since_evaluation.nats_per_word,
            nats=result.nats_per_word,
            perplexity=result.perplexity,
            zero_state_perplexity=zero_state,
            learning_rate=None if report is None else report.learning_rate,
            words_per_second=self.since_evaluation.words_per_second,
            seconds=self._seconds(),
            best=best,
        )
        self._add_row(report, result)
        self.records.add_event("evaluated", self.progress.step, asdict(event))
        self.since_evaluation = Meter()
        yield event

    def _add_row(self, report: StepReport | None, result: Evaluation | None) -> None:
        """One row; right after a resumption there is no step to report of."""
        self.records.add_row(
            {
                "step": self.progress.step,
                "epoch": self._epoch(),
                "words": self.progress.words,
                "train_nats": self.meter.nats_per_word if self.meter.words else None,
                "valid_nats": None if result is None else result.nats_per_word,
                "valid_perplexity": None if result is None else result.perplexity,
                "learning_rate": None if report is None else report.learning_rate,
                "gradient_norm": None if report is None else report.gradient_norm,
                "words_per_second": self.meter.words_per_second or None,
                "seconds": self._seconds(),
            }
        )
        self.meter = Meter()

    def _sample(self) -> Sampled:
        with self.trainee.averaged() as model:
            weights = to_arrays(dict(model.named_parameters()))
        texts = continue_cues(self.config, self.corpus.vocabulary, weights, index=self.index)
        self.records.add_samples(self.progress.step, texts)
        return Sampled(self.progress.step, tuple(texts))

    def _save(self) -> Iterator[Event]:
        for event in self.keeper.save(self.trainee):
            if isinstance(event, Saved):
                self.records.add_event("saved", event.step, {})
            yield event

    def restore(self) -> None:
        """Take up the training, its records and its clock at the newest whole checkpoint."""
        self.passed_over = self.keeper.restore_newest(self.trainee)
        if self.world.leads and self.progress.step < self.until:  # a finished run needs no room
            there = len(checkpoint.saved_steps(self.keeper.checkpoints))
            more = max(1, most_checkpoints(self.config, self.ready) - there)
            check_disk_space(self.run, self.trainee, checkpoints=more)
        self.records.drop_after(self.progress.step)
        if self.world.leads:
            rows = self.records.rows()
            self.seconds_before = max((row["seconds"] or 0.0 for row in rows), default=0.0)

    def _precision_changed(self) -> str:
        """What a resumption on another machine, or with another torch, has to say."""
        before, now = self.keeper.bf16_before, self.ready.bf16
        if before is None or before == now:
            return ""
        names = {True: "bf16", False: "fp32"}
        return (
            f"this run was trained with {names[before]} products and goes on with {names[now]}: "
            "not with the bits of a run that was never stopped"
        )

    # Ends and rates

    def _limit_reached(self) -> str:
        """The limit that ends the run here, in words; empty where there is none.

        Asked once a step: a clock that strikes between two questions would end the
        run without its last evaluation.
        """
        settings = self.config.train
        if self.progress.step > self.until:  # resumed with a lower limit
            return (
                f"step {self.progress.step:,} is past the {self.until:,} that train.max_steps or "
                "train.epochs allows"
            )
        if self.progress.step == self.until:
            return f"all {self.until:,} steps are done"
        if settings.max_minutes is not None and self.told_to.time_over:
            return f"{settings.max_minutes:g} minutes are over"
        return ""

    def _hear(self) -> "Told":
        """What signals and clocks say, to all ranks alike, between two steps."""
        minutes = self.config.train.max_minutes
        late = time.monotonic() - self.keeper.saved_at > SAVE_SECONDS
        over = self.world.leads and minutes is not None and self._seconds() >= minutes * 60
        return Told(*self.world.agree(self.asked.stop, self.asked.save or late, over))

    @property
    def stopping(self) -> int:
        """The signal that ends the training here; one process hears it at any time, several
        only where they all do."""
        return self.asked.stop if self.world.size == 1 else self.told_to.stop

    def _patience_over(self) -> str:
        """Likewise, where the evaluations have brought nothing better for too long."""
        patience, stale = self.config.train.patience, self.progress.stale
        if patience is not None and stale >= patience:
            return f"no better evaluation in the last {stale}"
        return ""

    def _seconds(self) -> float:
        """Since the run began, the time between its processes left out."""
        return self.seconds_before + time.monotonic() - self.begun

    def _epoch(self) -> float:
        return self.progress.epoch + self.progress.epoch_step / self.plan.steps_in(
            self.progress.epoch
        )

    def _card(self, *, resumed: bool) -> Started:
        card = start_card(
            self.run,
            self.ready,
            self.world,
            resumed_at=self.progress.step if resumed else None,
        )
        self.records.add_event("started", self.progress.step, asdict(card) | {"run": ""})
        return card

    def _finish(self, reason: str, *, interrupted: bool) -> Finished:
        event = Finished(
            run=self.run,
            step=self.progress.step,
            reason=reason,
            best_step=self.progress.best_step,
            best_nats=self.progress.best_nats,
            valid_nats=tuple(self.progress.valid_nats),
            seconds=self._seconds(),
            words=self.progress.words,
            interrupted=interrupted,
        )
        self.records.add_event("finished", self.progress.step, {"reason": reason})
        return event


def most_checkpoints(config: Config, ready: Ready) -> int:
    """How many of them stand side by side at the most: the kept ones, the best, a new one."""
    settings = config.train
    every = settings.save_every or settings.eval_every
    saves = ready.until // every if every else EVALUATIONS
    return min(settings.keep + 2, saves + 2)


class Told(NamedTuple):
    """What was heard between two steps."""

    stop: int = 0
    save: int = 0
    time_over: int = 0
