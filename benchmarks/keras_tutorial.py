"""The network of the usual Keras tutorial, for comparison: run by many_to_one.py.

    python keras_tutorial.py IDS.npy VOCABULARY WINDOWS

Embedding, two LSTM layers, Dense softmax over every window of 20 words, by
model.fit in batches of 64 with Adam; prints windows per second of a second fit.
"""

import os
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

LENGTH, UNITS, BATCH = 20, 128, 64


def main() -> None:
    """Fit once to build everything, once for timing."""
    ids = np.load(sys.argv[1]).astype(np.int64)
    vocabulary, windows = int(sys.argv[2]), int(sys.argv[3])
    starts = np.random.default_rng(0).permutation(len(ids) - LENGTH)[:windows]
    inputs, targets = ids[starts[:, None] + np.arange(LENGTH)], ids[starts + LENGTH]
    model = keras.Sequential(
        [
            keras.layers.Embedding(vocabulary, UNITS),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(vocabulary, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    model.fit(inputs[: 20 * BATCH], targets[: 20 * BATCH], batch_size=BATCH, verbose=0)
    start = time.perf_counter()
    model.fit(inputs, targets, batch_size=BATCH, verbose=0)
    print(windows / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
