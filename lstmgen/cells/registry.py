"""All cells by name."""

from lstmgen.cells.elman import ELMAN
from lstmgen.cells.gru import GRU
from lstmgen.cells.lstm import LSTM
from lstmgen.cells.lstm_peephole import LSTM_PEEPHOLE

CELLS = {cell.name: cell for cell in (ELMAN, GRU, LSTM, LSTM_PEEPHOLE)}
