"""Times words drawn from a checkpoint, in a process that has loaded what generating loads.

    python -m lstmgen.generation.speed STEP-FOLDER WORDS

prints a JSON object: the seconds of a word, and those of summing as many bytes as
the model has, which is what reading all weights once takes at least.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.constraints import History
from lstmgen.generation.load import load_generator
from lstmgen.generation.sampling import draw, shape
from lstmgen.generation.stepping import next_scores


def main(step: Path, words: int) -> dict[str, float]:
    """Draw so many words, and sum the weights' bytes."""
    generator, found = load_generator(step, step.parent, copies=False)
    engine, sample = generator.engine, SampleConfig(temperature=1.0, top_p=1.0)
    drawn, generators = np.zeros(1, dtype=np.int64), [np.random.default_rng(0)]
    states, constraints = engine.zero_states(1), generator.constraints(sample)
    history = History(constraints, vocabulary=generator.vocabulary)
    begun = 0.0
    for number in range(-10, words):
        if number == 0:
            begun = time.perf_counter()
        states = engine.read(drawn, states)
        scores = next_scores(engine.logits(states), [history], constraints)
        drawn = draw(shape(scores, sample), generators)
    seconds = (time.perf_counter() - begun) / words
    numbers = sum(a.size for a in found.read_tensors("model.safetensors").values())
    buffer, sums = np.ones(numbers, dtype=np.float32), []
    for _ in range(10):
        begun = time.perf_counter()
        buffer.sum()
        sums.append(time.perf_counter() - begun)
    return {"seconds": seconds, "floor": min(sums), "bytes": float(buffer.nbytes)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
