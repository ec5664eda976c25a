"""Training against the same model in plain torch, as a tutorial writes it.

nn.Embedding, nn.LSTM, a projection and nn.Linear tied to the embedding, cross_entropy,
clip_grad_norm_ and AdamW, in float32; the same windows of the bundled stories, sizes,
dropout and threads. All sides take turns in one process.
"""

import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import STORIES
from benchmarks.measure import by_turns, compared, rate
from benchmarks.report import Table
from benchmarks.steps import endless_steps
from lstmgen.config.schema import DataConfig
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.text.prepared import prepare
from lstmgen.training.devices import set_up
from lstmgen.windows.plans import Plan, RandomPlan, StreamPlan

EMBEDDING, HIDDEN = 128, 192
State = tuple[Tensor, Tensor]


class PlainModel(nn.Module):
    """The model as a tutorial writes it."""

    def __init__(self, vocab_size: int, embedding_dim: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden, batch_first=True)
        self.projection = nn.Linear(hidden, embedding_dim, bias=False)
        self.output = nn.Linear(embedding_dim, vocab_size)
        self.output.weight = self.embedding.weight
        self.dropout = nn.Dropout(0.3)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hidden outputs of all words, and the last state."""
        hidden, state = self.lstm(self.dropout(self.embedding(ids)), state)
        return self.dropout(hidden), state


def ours(
    ids: np.ndarray, vocab_size: int, plan: Plan, steps: int, *, bf16: bool
) -> Callable[[], int]:
    """Run some steps of lstmgen's loop; return the number of scored words."""
    shares = DropoutRates(0.3, 0.3, 0.3)
    model = LanguageModel(
        vocab_size, embedding_dim=EMBEDDING, hidden_sizes=[HIDDEN], dropout=shares
    )
    reports = endless_steps(model, ids, plan, bf16=bf16)
    return lambda: sum(next(reports).words for _ in range(steps))


def plain(ids: np.ndarray, vocab_size: int, plan: Plan, steps: int) -> Callable[[], int]:
    """The same steps in plain torch."""
    model = PlainModel(vocab_size, EMBEDDING, HIDDEN)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def work() -> int:
        words = 0
        for step in range(steps):
            window = plan.micro_batches(ids, epoch=0, step=step % plan.steps_in(0))[0]
            hidden, _ = model(torch.from_numpy(window.inputs))
            targets = torch.from_numpy(window.targets)
            logits = model.output(model.projection(hidden[:, -plan.stride :]))
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-1
            )
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            words += window.count
        return words

    return work


def run(args: Namespace) -> list[Table]:
    """Measure both training loops."""
    set_up(torch.device("cpu"))
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        corpus = prepare(DataConfig(train=str(STORIES)), folder=Path(folder))
        ids, vocab_size = corpus.train.ids, len(corpus.vocabulary)
        for name, kind, window, stride, batch, steps in (
            ("many-to-one, 12 words, batch 32", RandomPlan, 12, 1, 32, 40),
            ("dense, 32 words, batch 16", StreamPlan, 32, 32, 16, 20),
        ):
            plan = kind(len(ids), window=window, stride=stride, batch_size=batch)
            sides = [plain(ids, vocab_size, plan, steps)]
            sides += [ours(ids, vocab_size, plan, steps, bf16=bf16) for bf16 in (True, False)]
            theirs, *each = by_turns([rate(side) for side in sides])
            for precision, mine in zip(("bf16", "fp32"), each, strict=True):
                rows.append((f"{name}, {precision}", *compared(mine, theirs, "words/s")))
    heads = ("what", "lstmgen", "plain torch, fp32", "ratio (range)")
    return [Table("plain", heads, rows)]
