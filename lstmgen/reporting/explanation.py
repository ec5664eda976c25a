"""An explanation as a page of 100 columns to check by hand, and as JSON."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from rich.cells import set_cell_size

from lstmgen.cells.building_blocks import Array
from lstmgen.errors import counted, printable
from lstmgen.inspection.subject import Subject
from lstmgen.inspection.window_explanation import Explanation, Prediction
from lstmgen.reporting.equations import gate_title, spelled_out

WORD = 12  # columns of a word
UNITS = 2  # shown by default
MAX_INPUTS = 5  # elements of an input vector shown


def explanation_text(
    subject: Subject, explanation: Explanation, *, layer: int, units: Sequence[int], digits: int
) -> str:
    """The page.

    Args:
        layer: counted from 1 at the input.
        units: to show; empty shows the first two.
        digits: after the decimal point.
    """
    page = _Page(subject, explanation, layer=layer, units=units, digits=digits)
    return "\n".join(line.rstrip() for line in page.lines())


def explanation_json(
    subject: Subject, explanation: Explanation, *, layer: int, units: Sequence[int]
) -> dict[str, Any]:
    """The same numbers as JSON, unrounded."""
    run, gradients = explanation.runs[layer - 1], explanation.gradients[layer - 1]
    chosen = list(units) or list(range(run.states.hidden.shape[2]))

    def by_unit(values: Array) -> Any:
        return values[0][:, chosen].tolist() if values.shape[2] else None

    forward = {name: by_unit(values) for name, values in run.gates._asdict().items()}
    names = list(forward)
    forward |= {"cell": by_unit(run.states.cell), "hidden": by_unit(run.states.hidden)}
    weights = {k: w for k, w in gradients.weights._asdict().items() if w is not None}
    return {
        "model": subject.name,
        "cell": subject.cell,
        "layer": layer,
        "layers": len(explanation.runs),
        "units": chosen,
        "words": [subject.word(i) for i in explanation.ids],
        "ids": list(explanation.ids),
        "input": run.inputs[0].tolist(),
        "forward": forward,
        "prediction": _prediction_json(subject, explanation.prediction),
        "lowest": explanation.lowest and _prediction_json(subject, explanation.lowest),
        "highest": explanation.highest and _prediction_json(subject, explanation.highest),
        "gradient": {
            "hidden": by_unit(gradients.states.hidden),
            "cell": [s.cell[0, chosen].tolist() for s in gradients.steps]
            if run.layer.cell.has_cell
            else None,
            "gates": {
                name: [getattr(s.gates, name)[0, chosen].tolist() for s in gradients.steps]
                for name in names
            },
            "weights": {name: values.tolist() for name, values in weights.items()},
        },
    }


def shown_word(word: str) -> str:
    """A word on one line, safe for a terminal."""
    return printable(word).replace("\n", "\\n").replace("\t", "\\t").replace(" ", "\u2423")


def _prediction_json(subject: Subject, prediction: Prediction) -> dict[str, Any]:
    return {
        "after": [subject.word(i) for i in prediction.after],
        "target": subject.word(prediction.target),
        "cost": prediction.loss,
        "words": [
            {
                "word": subject.word(choice.word),
                "logit": choice.logit,
                "probability": choice.probability,
                "gradient": choice.error,
            }
            for choice in prediction.choices
        ],
    }


class _Page:
    def __init__(
        self,
        subject: Subject,
        explanation: Explanation,
        *,
        layer: int,
        units: Sequence[int],
        digits: int,
    ) -> None:
        self.subject, self.explanation, self.layer, self.digits = (
            subject,
            explanation,
            layer,
            digits,
        )
        self.run, self.back = explanation.runs[layer - 1], explanation.gradients[layer - 1]
        size = self.run.states.hidden.shape[2]
        self.units = list(units) or list(range(min(UNITS, size)))
        self.cell = self.run.layer.cell
        self.columns = [gate_title(self.cell, name) for name in self.run.gates._fields]
        self.has_cell = self.cell.has_cell
        self.section = 0

    def lines(self) -> Iterable[str]:
        yield from self._words()
        yield from self._heading("THE EQUATIONS (* is element-wise)")
        yield from (f"   {line}" for line in self.cell.equations)
        yield from self._forward()
        yield from self._prediction()
        yield from self._contrast()
        yield from self._backward()
        yield from self._weights()

    def _words(self) -> Iterable[str]:
        subject, ids = self.subject, self.explanation.ids
        yield f"{printable(subject.name)}: layer {self.layer} of {len(self.explanation.runs)}"
        for note in subject.notes:
            yield f"note: {printable(note)}"
        yield from self._heading("THE WORDS, read from a zero state")
        width, first = self.run.inputs.shape[2], self.layer == 1
        if first and subject.one_hot:
            numbers = counted(width, "number")
            yield f"   Word number k is a vector of {numbers}: 1 at index k, 0 elsewhere."
            known = len(subject.words)
            rows = [[str(i) if i < known else "rare"] for i in ids]
            yield from self._table("", ["number k"], rows)
            if max(ids) >= known:
                yield "   rare: an unknown word, read as the mean of the words seen once"
        else:
            what = "word vector" if first else f"hidden state h' of layer {self.layer - 1}"
            shown = min(width, MAX_INPUTS)
            yield f"   x is the {what}, {counted(width, 'number')}; here are the first {shown}:"
            rows = [self._numbers(vector[:shown]) for vector in self.run.inputs[0]]
            yield from self._table("", [f"x[{k}]" for k in range(shown)], rows)
        yield f"   the word to predict: {self._target}"

    def _forward(self) -> Iterable[str]:
        yield from self._heading("FORWARD, word by word")
        columns = [*self.columns, *["cell c'"] * self.has_cell, "hidden h'"]
        states = self.run.states
        for unit in self.units:
            panels = [values[0, :, unit] for values in self.run.gates]
            if self.has_cell:
                panels.append(states.cell[0, :, unit])
            panels.append(states.hidden[0, :, unit])
            yield from self._table(
                f"unit {unit}", columns, [self._numbers(row) for row in zip(*panels, strict=True)]
            )
        last, unit = len(self.explanation.ids) - 1, self.units[0]
        size = states.hidden.shape[2]
        peephole = ", the term of c" if self.cell.has_peepholes else ""
        yield f"   unit {unit} at word {last + 1}, spelled out: the term of x, the term of h"
        hidden = counted(size, "hidden state")
        yield f"   (U times the {hidden} of the word before){peephole}, the bias"
        lines = spelled_out(self.run, step=last, unit=unit, number=self._number)
        yield from (f"      {line}" for line in lines)

    def _prediction(self) -> Iterable[str]:
        prediction = self.explanation.prediction
        yield from self._heading(
            "THE PREDICTION, from the hidden state of the top layer after the last word"
        )
        yield "   logit z = (output matrix) h' + bias,   p = exp(z) / sum of exp(z) over all words,"
        yield "   y = 1 for the word that follows, else 0;   p - y is the gradient of the loss at z"
        heads = ["logit z", "p", "p - y"]
        yield f"   {'':{WORD}}{self._join(heads)}"
        for choice in prediction.choices:
            mark = "  <- the word" if choice.word == prediction.target else ""
            cells = self._numbers([choice.logit, choice.probability, choice.error])
            yield f"   {self._word(choice.word)}{self._join(cells)}{mark}"
        yield f"   loss = -ln p({self._target}) = {self._number(prediction.loss)} nats"

    def _contrast(self) -> Iterable[str]:
        low, high = self.explanation.lowest, self.explanation.highest
        if low is None or high is None:
            return
        yield from self._heading(
            "A PREDICTION OF LOW LOSS AND ONE OF HIGH LOSS, of these words and the words after them"
        )
        left, right = self._column("LOW", low), self._column("HIGH", high)
        for a, b in zip_longest(left, right, fillvalue=""):
            yield f"   {set_cell_size(a, 46)}{b}"

    def _backward(self) -> Iterable[str]:
        yield from self._heading(
            "BACKWARD: the gradient of the loss that arrives at each word, the last word first"
        )
        yield from (f"   {line}" for line in self.cell.equations_backward)
        memory = "d h and d c are" if self.has_cell else "d h is"
        yield f"   (gates: before their sigmoid or tanh; {memory} passed to the word before)"
        columns = ["d h'", *["d c'"] * self.has_cell, *(f"d {name}" for name in self.columns)]
        steps = self.back.steps
        bias = np.split(self.back.weights.bias_ih, len(self.columns))
        for unit in self.units:
            panels = [self.back.states.hidden[0, :, unit]]
            if self.has_cell:
                panels.append(np.array([step.cell[0, unit] for step in steps]))
            gates = [[gate[0, unit] for gate in step.gates] for step in steps]
            rows = [
                self._numbers([*(panel[t] for panel in panels), *gates[t]])
                for t in range(len(steps))
            ]
            sums = self._numbers(gradients[unit] for gradients in bias)
            yield from self._table(f"unit {unit}", columns, rows, last=[*[""] * len(panels), *sums])
        yield "   The sum over the words is the gradient of that unit's biases (bias_ih)."

    def _weights(self) -> Iterable[str]:
        unit = self.units[0]
        one_hot = self.layer == 1 and self.subject.one_hot
        known = [i for i in self.explanation.ids if i < len(self.subject.words)]
        place = known[0] if one_hot and known else 0
        source = f'the word "{shown_word(self.subject.word(place))}"' if one_hot else f"x[{place}]"
        yield from self._heading(
            "A WEIGHT IS USED AT EVERY WORD, so its gradient is the sum of its gradients there"
        )
        yield from self._by_word(f"W, from {source} to unit {unit}", "weight_ih", unit, place)
        yield from self._by_word(f"U, from unit {unit} to itself", "weight_hh", unit, unit)

    def _heading(self, title: str) -> Iterable[str]:
        self.section += 1
        return "", f"{self.section}. {title}"

    def _by_word(self, title: str, name: str, unit: int, place: int) -> Iterable[str]:
        size = self.run.states.hidden.shape[2]
        rows_of = [gate * size + unit for gate in range(len(self.columns))]

        def row(weights: Any) -> list[str]:
            return self._numbers(getattr(weights, name)[r, place] for r in rows_of)

        rows = [row(step.weights) for step in self.back.steps]
        columns = [f"d {column}" for column in self.columns]
        yield from self._table(title, columns, rows, last=row(self.back.weights))

    def _column(self, title: str, prediction: Prediction) -> list[str]:
        after = " ".join(shown_word(self.subject.word(i)) for i in prediction.after)
        target = shown_word(self.subject.word(prediction.target))
        lines = [
            f"{title}: {self._number(prediction.loss)} nats",
            set_cell_size(f"... {after}", 44).rstrip(),
            f"-> {set_cell_size(target, 30).rstrip()}",
        ]
        for choice in prediction.choices:
            mark = " <-" if choice.word == prediction.target else ""
            lines.append(f"{self._word(choice.word)}  p {self._number(choice.probability)}{mark}")
        return lines

    def _table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[list[str]],
        *,
        last: list[str] | None = None,
    ) -> Iterable[str]:
        """A row for each word, in reading order, or backward with ``last``, a row of sums."""
        if title:
            yield f"   {title}"
        yield f"   {'t':>3}  {'':{WORD}}{self._join(columns)}"
        steps = list(range(len(rows)))
        for t in steps if last is None else reversed(steps):
            yield f"   {t + 1:>3}  {self._word(self.explanation.ids[t])}{self._join(rows[t])}"
        if last is not None:
            yield f"   {'':3}  {'sum':{WORD}}{self._join(last)}"

    @property
    def _target(self) -> str:
        return shown_word(self.subject.word(self.explanation.prediction.target))

    def _word(self, index: int) -> str:
        return str(set_cell_size(shown_word(self.subject.word(index)), WORD))

    def _join(self, cells: Iterable[str]) -> str:
        return "".join(f"{cell:>{self.digits + 5}}" for cell in cells)

    def _numbers(self, values: Iterable[float]) -> list[str]:
        return [self._number(float(value)) for value in values]

    def _number(self, value: float) -> str:
        """Fixed-point notation, or scientific if that would be too short or too wide."""
        value = value or 0.0  # no -0
        if value and not 10.0 ** (2 - self.digits) <= abs(value) < 1e4:
            return f"{value:.{self.digits - 5}e}"
        return f"{value:.{self.digits}f}"
