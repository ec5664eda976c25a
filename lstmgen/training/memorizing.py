"""Whether a network has begun to memorize its training text."""

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.runs.records import Row

LATER = 3  # evaluations after the best one, all worse, from which a loss counts as rising
RISE = 0.01  # nats per word; a smaller rise may be chance


@dataclass(frozen=True)
class Memorizing:
    """From when on a training memorized.

    Attributes:
        since: step of the first evaluation that shows it.
        train_nats, valid_nats: per word, at the last evaluation.
        rose: whether the validation loss rose; otherwise the training loss is below half of it.
    """

    since: int
    train_nats: float | None
    valid_nats: float
    rose: bool


@dataclass(frozen=True)
class _Losses:
    """Losses at an evaluation, in nats per word; training since the previous one, if known."""

    step: int
    train: float | None
    valid: float


def find_memorizing(rows: Sequence[Row]) -> Memorizing | None:
    """Whether the validation loss has risen for the last third of a run, or the training loss is
    below half of it at the end.

    Args:
        rows: of metrics.csv.

    Returns:
        None without a validation text, or if neither is the case.
    """
    losses = _losses(rows)
    if not losses:
        return None
    best = min(range(len(losses)), key=lambda place: losses[place].valid)
    last, later = losses[-1], losses[best + 1 :]
    rose = (
        len(later) >= LATER
        and 3 * (best + 1) <= 2 * len(losses)
        and all(other.valid > losses[best].valid for other in later)
        and last.valid > losses[best].valid + RISE
    )
    if rose:
        return Memorizing(later[0].step, last.train, last.valid, rose=True)
    far = None  # the first of the last evaluations that all have a far lower training loss
    for place in reversed(losses):
        if place.train is None or place.train >= place.valid / 2:
            break
        far = place
    return None if far is None else Memorizing(far.step, last.train, last.valid, rose=False)


def _losses(rows: Sequence[Row]) -> list[_Losses]:
    losses, nats, words, before = [], 0.0, 0.0, 0.0
    for row in rows:
        scored, train, valid = row["words"] or 0.0, row["train_nats"], row["valid_nats"]
        if train is not None:
            nats += train * (scored - before)
            words += scored - before
        before = scored
        if valid is not None:
            losses.append(_Losses(int(row["step"] or 0), nats / words if words else None, valid))
            nats = words = 0.0
    return losses
