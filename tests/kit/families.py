"""One small trainable of every family, on the same data, with everything that a resumed trial could get wrong."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import lightning
import torch
from lightgbm import LGBMClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from orchestrator import (
    BoostingTrainable,
    Folds,
    KerasTrainable,
    LightningTrainable,
    Loop,
    SklearnTrainable,
    TorchTrainable,
)


class Machine(SklearnTrainable):
    """Twelve folds of a Pipeline."""

    folds = Folds(12)

    def estimator(self, params):
        return make_pipeline(StandardScaler(), SVC(C=1 + params["x"]))


class Grown(BoostingTrainable):
    """Twelve epochs of three rounds, each from other rows."""

    rounds = 3

    def estimator(self, params):
        return LGBMClassifier(
            n_estimators=36, learning_rate=0.1 + params["x"] / 10, subsample=0.6, subsample_freq=1, n_jobs=1
        )


class Network(TorchTrainable):
    """Shuffled batches, dropout, moments, running means."""

    loss = "cross_entropy"
    loop = Loop(batch_size=64, accumulate=2, clip_norm=1.0, patience=50)

    def model(self, params):
        return nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10))

    def optimizer(self, params, parameters):
        return torch.optim.Adam(parameters, lr=1e-3 * (1 + params["x"]))


class Perceptron(KerasTrainable):
    """The same in Keras."""

    loop = Loop(batch_size=64)

    def model(self, params):
        layers = [keras.layers.Dense(32, "relu"), keras.layers.Dropout(0.3), keras.layers.Dense(10, "softmax")]
        model = keras.Sequential([keras.Input((64,)), keras.layers.BatchNormalization(), *layers])
        model.compile(keras.optimizers.Adam(1e-3 * (1 + params["x"])), "sparse_categorical_crossentropy")
        return model


class Module(lightning.LightningModule):
    """The same in Lightning."""

    def __init__(self, x):
        super().__init__()
        self.x, self.net = x, Network().model({"x": x})

    def forward(self, inputs):
        return self.net(inputs)

    def training_step(self, batch, index):
        inputs, targets = batch
        return nn.functional.cross_entropy(self(inputs), targets)

    def validation_step(self, batch, index):
        inputs, targets = batch
        self.log("accuracy", (self(inputs).argmax(1) == targets).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3 * (1 + self.x))


class Lit(LightningTrainable):
    """And its trainable."""

    def module(self, params):
        return Module(params["x"])
