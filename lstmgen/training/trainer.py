"""A training run as a stream of events."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lstmgen.config.schema import Config
from lstmgen.errors import DivergedError, LstmgenError
from lstmgen.evaluation.baseline import count_ngrams, stores_ngrams
from lstmgen.evaluation.choose_sampling import choose_for_step
from lstmgen.evaluation.perplexity import evaluate, evaluate_from_zero
from lstmgen.generation.chosen import ChosenSampling
from lstmgen.generation.sample_results import continue_cues
from lstmgen.model.factory import to_arrays
from lstmgen.ngrams.kneser_ney import DEFAULT_ORDER, MAX_WORDS, KneserNey
from lstmgen.runs import checkpoint
from lstmgen.text.config_text import index_copies
from lstmgen.training.build import TrainingSetup
from lstmgen.training.checkpoint_manager import CheckpointManager, check_disk_space
from lstmgen.training.core_sharing import usable_cores
from lstmgen.training.distributed import World
from lstmgen.training.events import Evaluated, Event, Notice, Sampled, Saved
from lstmgen.training.journal import Journal
from lstmgen.training.limits import Limits
from lstmgen.training.loop import StepReport
from lstmgen.training.progress import Progress
from lstmgen.training.signals import StopRequests
from lstmgen.training.waiting_threads import WaitingThreads

ROWS = 200  # of metrics.csv per run, besides those of evaluations
EVALUATIONS = 20  # per run, at ends of epochs, by default
UNLIKE = (  # where the words of the validation text are rarer than words drawn at random
    "the validation text is of another kind than the training text: even its words are unlike. "
    "Does the text end in a licence, an index or a glossary? Cut it off, or name data.valid"
)
SAMPLES = 5  # per run and cue, by default


class Trainer:
    """One process that trains in one run folder."""

    def __init__(
        self, run: Path, setup: TrainingSetup, requests: StopRequests, world: World
    ) -> None:
        self.run, self.setup, self.requests, self.world = run, setup, requests, world
        self.config, self.corpus = setup.config, setup.corpus
        self.until, self.state = setup.until, setup.state
        self.index, self.index_notice = (
            index_copies(self.config.data, self.corpus) if world.is_main else (None, "")
        )
        self.ngrams: KneserNey | None = None  # those that checkpoints keep
        self.manager = CheckpointManager(
            run, self.config, self.corpus, setup.fit, until=self.until, world=world,
            bf16=setup.bf16, origin=setup.origin,
        )  # fmt: skip
        self.journal = Journal(run, setup, world)
        self.limits = Limits(setup, self.manager, requests, world, self.journal.seconds)
        on_cpu = self.state.model.device.type == "cpu"
        threads = torch.get_num_threads() if on_cpu else 1
        self.threads = WaitingThreads(threads, usable_cores(), ranks=world.local_size)
        self.skipped: list[str] = []  # notices about damaged checkpoints

    @property
    def progress(self) -> Progress:
        """The training's counters."""
        return self.state.progress

    def restore(self) -> None:
        """Restore the newest intact checkpoint, its records and its clock."""
        self.skipped = self.manager.restore_newest(self.state)
        if self.world.is_main and self.progress.step < self.until:  # a finished run needs no space
            existing = len(checkpoint.saved_steps(self.manager.checkpoints))
            more = max(1, most_checkpoints(self.config, self.setup) - existing)
            check_disk_space(self.run, self.state, checkpoints=more)
        self.journal.restore()

    def events(self, *, resumed: bool) -> Iterator[Event]:
        """Run the training."""
        with self.threads:
            yield from self._train(resumed=resumed)

    def _train(self, *, resumed: bool) -> Iterator[Event]:
        yield from self._start(resumed=resumed)
        self.limits.decide()
        reason = self.limits.reached(self.progress)
        due = bool(reason) or self._due(self.config.train.eval_every)
        if resumed and due and not self._evaluated():
            yield from self._evaluate(None)  # the run was stopped just before
            if self.world.is_main:  # the step's folder has these weights already
                self.manager.write_index(self.progress)
        reason = reason or self.limits.out_of_patience(self.progress)
        if resumed and reason:
            yield self.journal.add_end(f"nothing to resume: {reason}", interrupted=False)
            return
        reports = self.setup.steps(
            until=self.until, schedule_steps=self.manager.schedule_steps, world=self.world
        )
        with self._recording_divergence():
            while not reason:
                report = next(reports)
                self.threads.after_step(report.seconds)
                self.limits.decide()
                reason = self.limits.reached(self.progress)
                yield from self._after_step(report, ending=bool(reason))
                reason = reason or self.limits.out_of_patience(self.progress)
                if self.limits.stopping:
                    yield from self._save()
                    yield self.journal.add_end("stopped by a signal", interrupted=True)
                    return
            yield from self._save()
        if self.state.average is not None and not self.state.average.steps:
            yield Notice(
                f"train.average = {self.config.train.average}: averaging never started, so the "
                "weights are those of the last step"
            )
        chosen = yield from self._choose_sampling()
        yield self.journal.add_end(reason, interrupted=False, sampling=chosen)

    def _choose_sampling(self) -> Generator[Notice, None, ChosenSampling | None]:
        """Choose the sampling settings that the config leaves open, for the best checkpoint."""
        data, train, valid = self.config.data, self.corpus.train.ids, self.corpus.valid
        if not self.world.is_main or self.config.sample.temperature is not None or valid is None:
            return None
        if data.tokenizer == "character" or len(train) > MAX_WORDS:
            return None
        try:
            index = checkpoint.read_index(self.manager.checkpoints)
            if index is None:  # deleted by somebody
                return None
            folders = [checkpoint.step_folder(self.manager.checkpoints, s) for s in index.steps]
            chosen = choose_for_step(
                folders[0],
                train=train,
                held_out=valid.ids,
                keep_going=lambda: not self.requests.stop,
            )
            if chosen is not None:
                for folder in folders:
                    checkpoint.add_sampling(folder, chosen.as_json())
        except LstmgenError as error:  # the training itself is complete
            yield Notice(f"no sampling settings were chosen for this text: {error}")
            return None
        return chosen

    def _start(self, *, resumed: bool) -> Iterator[Event]:
        """Report what was decided before the first step."""
        # Only now is a resumed run known to have the same text.
        ngrams = self._count_ngrams()
        if stores_ngrams(self.config.data, self.corpus.train):
            self.ngrams = ngrams
        self.manager.shared = tuple(
            checkpoint.write_shared(self.run / name, source.to_arrays())
            for name, source in (
                (checkpoint.COPY_INDEX, self.index),
                (checkpoint.NGRAMS, self.ngrams),
            )
            if source is not None
        )
        notices = (
            *self.corpus.notices, *self.skipped, *self.setup.notices, self.index_notice,
            self._precision_notice(),
        )  # fmt: skip
        yield from (Notice(notice) for notice in notices if notice)
        if self.world.is_main:
            card = self.journal.add_start(ngrams, resumed=resumed)
            yield card
            if card.unigram > card.uniform:
                yield Notice(UNLIKE)

    def _count_ngrams(self) -> KneserNey | None:
        """The n-gram model of the training text, on rank 0."""
        if not self.world.is_main:
            return None
        return count_ngrams(self.corpus.train, self.corpus.vocabulary, order=DEFAULT_ORDER)

    @contextmanager
    def _recording_divergence(self) -> Iterator[None]:
        try:
            yield
        except DivergedError as error:
            self.journal.add_divergence(error)
            raise

    def _after_step(self, report: StepReport, *, ending: bool) -> Iterator[Event]:
        """Report, evaluate, sample and save, each when it is due."""
        settings = self.config.train
        yield from self.journal.add_step(report)
        if self.limits.stopping:
            return
        best = False
        if ending or self._due(settings.eval_every):
            for event in self._evaluate(report):
                best = best or (isinstance(event, Evaluated) and event.best)
                yield event
            if self.limits.stopping:
                return
        elif report.step % max(1, self.until // ROWS) == 0:
            self.journal.add_row(report, None)
        if self.config.sample.cues and self.world.is_main:
            every = settings.sample_every or max(1, -(-self.until // SAMPLES))
            if report.step % every == 0 or ending:
                yield self._sample()
        due = self._due(settings.save_every) if settings.save_every else self._evaluated()
        if best or due or ending or self.limits.decision.save:
            self.requests.save = False
            yield from self._save()

    def _due(self, every: int | None) -> bool:
        """Whether something is due after this step: every N steps, or at ends of epochs."""
        if every is None:
            apart = max(1, round(self.setup.epochs / EVALUATIONS))
            return self.progress.epoch_step == 0 and self.progress.epoch % apart == 0
        return self.progress.step % every == 0

    def _evaluated(self) -> bool:
        return self.progress.evaluated == self.progress.step

    def _evaluate(self, report: StepReport | None) -> Iterator[Event]:
        """Score the validation text; a signal in between leaves that to the resumed run."""
        valid = self.corpus.valid
        if valid is None:
            self.progress.evaluated = self.progress.step
            self.journal.add_row(report, None)
            return
        unknown, zero_state = self.corpus.vocabulary.unknown_id, None
        keep_going = self.limits.keep_evaluating
        with self.state.averaged() as model:
            result = evaluate(model, valid, unknown_id=unknown, keep_going=keep_going)
            if not self.setup.plan.carries:
                window = self.setup.plan.window
                zero_state = evaluate_from_zero(
                    model, valid, unknown_id=unknown, window=window, keep_going=keep_going
                ).perplexity
        if self.limits.stopping:
            return
        # All ranks use rank 0's numbers, since machines may round differently.
        result, zero_state = self.world.broadcast((result, zero_state))
        self.progress.evaluated = self.progress.step
        best = self.progress.record(result.nats_per_word)
        if self.state.average is not None:
            self.state.average.check_trigger(self.state.model, self.progress.valid_nats)
        yield self.journal.add_evaluation(report, result, zero_state=zero_state, best=best)

    def _sample(self) -> Sampled:
        with self.state.averaged() as model:
            weights = to_arrays(dict(model.named_parameters()))
        texts = continue_cues(
            self.config, self.corpus.vocabulary, weights, index=self.index, ngrams=self.ngrams
        )
        self.journal.add_samples(texts)
        return Sampled(self.progress.step, tuple(texts))

    def _save(self) -> Iterator[Event]:
        for event in self.manager.save(self.state):
            if isinstance(event, Saved):
                self.journal.records.add_event("saved", event.step, {})
            yield event

    def _precision_notice(self) -> str:
        """A notice if a resumed run uses another precision than before; otherwise empty."""
        before, now = self.manager.bf16_before, self.setup.bf16
        if before is None or before == now:
            return ""
        names = {True: "bf16", False: "fp32"}
        return (
            f"this run was trained with {names[before]} matmuls and continues with {names[now]}, "
            "so its weights will not be bit-equal to those of an uninterrupted run"
        )


def most_checkpoints(config: Config, setup: TrainingSetup) -> int:
    """The maximum number of checkpoints on disk: those kept, the best and a new one."""
    settings = config.train
    every = settings.save_every or settings.eval_every
    saves = setup.until // every if every else EVALUATIONS
    return min(settings.keep + 2, saves + 2)
