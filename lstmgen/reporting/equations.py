"""A cell's equations with the numbers of one unit."""

from collections.abc import Callable

from lstmgen.cells.building_blocks import State
from lstmgen.cells.cell import Cell, Numbers
from lstmgen.cells.sequence import ForwardPass
from lstmgen.inspection.window_explanation import GateSum, gate_sums

MAX_NAME = 6  # letters of a gate's name that fit into a column


def gate_title(cell: Cell, name: str) -> str:
    """The column title of a gate, such as ``forget f``."""
    short = name if len(name) <= MAX_NAME else f"{name[:4]}."
    return f"{short} {cell.gates[name].letter}"


def legend(cell: Cell) -> str:
    """What the gates do, in one line; empty if their names say so."""
    return ", ".join(
        f"{name} = {gate.purpose}" for name, gate in cell.gates.items() if gate.purpose
    )


def spelled_out(
    run: ForwardPass, *, step: int, unit: int, number: Callable[[float], str]
) -> list[str]:
    """The equations of one unit at one word, with numbers in place of the letters."""
    cell, sums = run.layer.cell, {g.name: g for g in gate_sums(run, step=step, unit=unit)}

    def state_numbers(state: State) -> tuple[str, str]:
        hidden = number(float(state.hidden[0, unit]))
        return hidden, number(float(state.cell[0, unit])) if cell.has_cell else ""

    return cell.spell(
        Numbers(
            gates={name: number(gate.value) for name, gate in sums.items()},
            lines={name: _gate_line(cell, gate, sums, number) for name, gate in sums.items()},
            before=state_numbers(run.before(step)),
            after=state_numbers(run.before(step + 1)),
        )
    )


def _gate_line(
    cell: Cell, gate: GateSum, sums: dict[str, GateSum], number: Callable[[float], str]
) -> str:
    letter, squash = cell.gates[gate.name].letter, cell.gates[gate.name].squash
    value = number(gate.value)
    if gate.name in cell.scaled_by:
        from_x = _sum(number(gate.x), number(gate.bias_ih))
        from_h = _sum(number(gate.h), number(gate.bias_hh))
        scale = number(sums[cell.scaled_by[gate.name]].value)
        return f"{letter} = {squash}({from_x} + {scale} * ({from_h})) = {value}"
    peephole = [] if gate.c is None else [number(gate.c)]
    inner = _sum(number(gate.x), number(gate.h), *peephole, number(gate.bias_ih + gate.bias_hh))
    return f"{letter} = {squash}({inner}) = {squash}({number(gate.total)}) = {value}"


def _sum(first: str, *others: str) -> str:
    """Join numbers with plus and minus signs."""
    signed = (f"- {other[1:]}" if other.startswith("-") else f"+ {other}" for other in others)
    return " ".join([first, *signed])
