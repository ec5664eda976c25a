"""Recurrent cells in numpy: the forward equations, and the backward pass derived by hand."""

from lstmgen.cells.building_blocks import State, Weights
from lstmgen.cells.cell import Cell, Layer, zero_state
from lstmgen.cells.gate_orders import reorder_gates
from lstmgen.cells.initialization import initial_weights
from lstmgen.cells.registry import CELLS
from lstmgen.cells.sequence import backward, backward_stack, forward, forward_stack

__all__ = [
    "CELLS",
    "Cell",
    "Layer",
    "State",
    "Weights",
    "backward",
    "backward_stack",
    "forward",
    "forward_stack",
    "initial_weights",
    "reorder_gates",
    "zero_state",
]
