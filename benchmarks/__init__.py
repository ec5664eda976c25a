"""Benchmarks of speed, memory and quality: ``python -m benchmarks`` lists them."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
STORIES = ROOT / "data" / "stories"
