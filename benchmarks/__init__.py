"""What lstmgen's speed, memory and quality are, measured: ``python -m benchmarks`` lists them."""
