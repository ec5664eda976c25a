"""The network in torch: layers, dropout, output, initialisation."""
