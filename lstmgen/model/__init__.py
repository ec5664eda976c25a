"""The network in torch: layers, dropout, output, initialization."""
