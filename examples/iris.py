"""A grid of learning rates and batch sizes for a Keras classifier of iris flowers. Run: python examples/iris.py

Every point is trained five times, each time without another fifth of the flowers, and its accuracy is the mean of these
five folds; `accuracy_spread` is their standard deviation.
"""

import argparse
import os

os.environ["KERAS_BACKEND"] = "torch"  # Keras reads it once, when it is imported

import keras
from keras import layers

from orchestrator import Folds, Grid, KerasTrainable, Loop, Study, fixed


class Iris(KerasTrainable):
    """A small perceptron; params `lr batch_size epochs`, the last of them of each fold."""

    folds = Folds(5, by="stratified")

    def loop(self, params: dict) -> Loop:
        return Loop(batch_size=params["batch_size"])

    def model(self, params: dict) -> keras.Model:
        hidden = [layers.Dense(16, activation="relu"), layers.Dropout(0.1)]
        network = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(3, activation="softmax")])
        network.compile(keras.optimizers.Adam(params["lr"]), "sparse_categorical_crossentropy")
        return network


SPACE = {"lr": [0.001, 0.003, 0.01, 0.03, 0.1], "batch_size": [8, 16, 32], "epochs": fixed(20)}
SMALL = {"lr": [0.01, 0.1], "batch_size": [16, 32], "epochs": fixed(2)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a smaller grid, shorter folds")
    space = SMALL if parser.parse_args().smoke else SPACE
    results = Study(Iris, space, "max accuracy", Grid(), data="iris", name="iris").run()
    print(results.frame()[["params.lr", "params.batch_size", "accuracy", "accuracy_spread", "loss"]])
