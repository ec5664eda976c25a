"""A cell's equations with the numbers of one unit in them."""

from collections.abc import Callable

from lstmgen.cells.cell import Cell, Numbers
from lstmgen.cells.sequence import ForwardPass
from lstmgen.inspection.explaining import GateSum, gate_sums

LONGEST_NAME = 6  # letters of a gate's name that a column has room for


def gate_title(cell: Cell, name: str) -> str:
    """A gate as the head of a column: ``forget f``."""
    short = name if len(name) <= LONGEST_NAME else f"{name[:4]}."
    return f"{short} {cell.gates[name].letter}"


def legend(cell: Cell) -> str:
    """What the gates do, in one line; empty where their names say so."""
    known = [f"{name} = {gate.purpose}" for name, gate in cell.gates.items() if gate.purpose]
    return ", ".join(known)


def spelled_out(
    run: ForwardPass, *, step: int, unit: int, number: Callable[[float], str]
) -> list[str]:
    """The equations of one unit at one word, with the numbers in their places."""
    cell, sums = run.layer.cell, {g.name: g for g in gate_sums(run, step=step, unit=unit)}

    def memory(hidden: float, cell_state: float | None) -> tuple[str, str]:
        return number(hidden), "" if cell_state is None else number(cell_state)

    before, after = run.before(step), run.states
    has_cell = cell.has_cell
    return cell.spell(
        Numbers(
            gates={name: number(gate.value) for name, gate in sums.items()},
            lines={name: _gate_line(cell, gate, sums, number) for name, gate in sums.items()},
            before=memory(
                float(before.hidden[0, unit]), float(before.cell[0, unit]) if has_cell else None
            ),
            after=memory(
                float(after.hidden[0, step, unit]),
                float(after.cell[0, step, unit]) if has_cell else None,
            ),
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
    seen = [] if gate.c is None else [number(gate.c)]
    inner = _sum(number(gate.x), number(gate.h), *seen, number(gate.bias_ih + gate.bias_hh))
    return f"{letter} = {squash}({inner}) = {squash}({number(gate.total)}) = {value}"


def _sum(first: str, *others: str) -> str:
    """Numbers with plus and minus between them."""
    signed = (f"- {other[1:]}" if other.startswith("-") else f"+ {other}" for other in others)
    return " ".join([first, *signed])
