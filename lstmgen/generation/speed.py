"""Times words drawn from a checkpoint, in a process that has loaded what generating loads.

    python -m lstmgen.generation.speed STEP-FOLDER WORDS

prints a JSON object: the seconds of a word, and those of summing as many bytes as
the model has, which is what reading all weights once takes at least.
"""

import json
import sys
import time
from pathlib import Path

from lstmgen.generation.load import open_generator


def main(step: Path, words: int) -> dict[str, float]:
    """Draw so many words, and sum the weights' bytes."""
    generator, found = open_generator(step, step.parent, copies=False)
    import numpy as np  # behind open_generator, which may ask for one thread

    from lstmgen.generation.sampling import Settings, draw, restrict, shape

    engine, settings = generator.engine, Settings()
    drawn, generators = np.zeros(1, dtype=np.int64), [np.random.default_rng(0)]
    states, forbidden = engine.zero_states(1), generator.vocabulary.specials
    begun = 0.0
    for number in range(-10, words):
        if number == 0:
            begun = time.perf_counter()
        states = engine.read(drawn, states)
        scores = restrict(engine.logits(states), penalty=1.0, forbidden=forbidden)
        drawn = draw(shape(scores, settings), generators)
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
