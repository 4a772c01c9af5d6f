"""LeNet-5 of examples/lenet5.graph.json in Keras, whose defaults graphc has: `KERAS_BACKEND=jax` or `tensorflow`."""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import mnist
from keras import layers

options = argparse.ArgumentParser()
options.add_argument("--epochs", type=int, default=3)
options = options.parse_args()
keras.utils.set_random_seed(1)

network = keras.Sequential([
    keras.Input((28, 28, 1)),
    layers.Conv2D(6, 5), layers.BatchNormalization(), layers.ReLU(), layers.AveragePooling2D(2),
    layers.BatchNormalization(),
    layers.Conv2D(16, 5), layers.BatchNormalization(), layers.ReLU(), layers.AveragePooling2D(2),
    layers.BatchNormalization(), layers.Flatten(),
    layers.Dense(120, activation="relu"), layers.BatchNormalization(),
    layers.Dense(84, activation="relu"), layers.BatchNormalization(),
    layers.Dense(10, activation="softmax"),
])
network.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])


class Times(keras.callbacks.Callback):
    first_step, seconds = None, []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.first_step = self.first_step or mnist.process_age()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(round(time.perf_counter() - self.start, 3))


times = Times()
x, y = mnist.read("train")
network.fit(x, y, batch_size=64, epochs=options.epochs, validation_split=0.2, verbose=0, callbacks=[times])
_, test = network.evaluate(*mnist.read("t10k"), batch_size=64, verbose=0)
backend = keras.backend.backend()
version = __import__(backend).__version__
tool = f"Keras {keras.__version__}, {backend} {version}"
print(json.dumps({
    "tool": tool, "epochs": times.seconds, "first_step": round(times.first_step, 2), "test_accuracy": round(test, 4)
}))
