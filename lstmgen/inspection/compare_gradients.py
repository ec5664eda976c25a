"""The gradient through time in several models that read the same words."""

from collections.abc import Sequence
from dataclasses import replace

from lstmgen.errors import UsageError, printable
from lstmgen.inspection.subject import Request, Subject, TracedModel, inspect_gradients
from lstmgen.text.spacing import simplify_spelling

UNKNOWN = frozenset({"<unknown>", "<unk>"})


def compare_gradients(requests: Sequence[Request]) -> list[TracedModel]:
    """The gradient of the loss of one word, in each model.

    Each reads the words of the cue or the text by its own vocabulary. If there is neither, all
    read the words of the first model's training text.

    Raises:
        UsageError: if a model cannot be inspected on these words, or reads other ones.
    """
    first, *others = requests
    if not others:
        return [inspect_gradients(first)]
    traced = [_trace(first)]
    subject = traced[0].subject
    for request in others:
        other = _trace(replace(request, like=subject))
        _check_words(subject, other.subject)
        traced.append(other)
    return traced


def _trace(request: Request) -> TracedModel:
    """Trace one model; errors name it."""
    try:
        return inspect_gradients(request)
    except UsageError as error:
        name = printable(request.model or "the newest run")
        if name in str(error):
            raise
        raise UsageError(f"{name}: {error}") from None


def _check_words(first: Subject, other: Subject) -> None:
    """Check that a model reads the words that the first one reads.

    Raises:
        UsageError: if it does not.
    """
    ours, theirs = (
        [subject.word(index) for index in subject.passage[: subject.window + 1].tolist()]
        for subject in (first, other)
    )
    if len(ours) != len(theirs) or not all(map(_may_be_equal, ours, theirs)):
        raise UsageError(
            f"{printable(other.name)}: reads other words here than {printable(first.name)}, such "
            "as white space that one of them does not know. Choose other words with --cue"
        )


def _may_be_equal(ours: str, theirs: str) -> bool:
    """Whether two models' words may be one: unknown to one, or in another case or typography."""
    if UNKNOWN.intersection((ours, theirs)):
        return True
    marks = [not word.isspace() and not any(map(str.isalnum, word)) for word in (ours, theirs)]
    return all(marks) or simplify_spelling(ours).casefold() == simplify_spelling(theirs).casefold()
