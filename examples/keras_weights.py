"""Carries weights between Keras and graphc: the layouts are the same, and names are those of the layers.

    pip install keras jax safetensors
    python examples/keras_weights.py
"""

import gzip

import keras
import numpy as np
from keras import layers
from safetensors.numpy import load_file, save_file


def to_graphc(model, path):
    """Writes the weights of a Keras model for `graphc train --init`, `eval`, `predict` and `run`."""
    weights = {f"{layer.name}.{w.name}": np.asarray(w) for layer in model.layers for w in layer.weights}
    save_file(weights, path)


def from_graphc(model, path):
    """Gives a Keras model the weights that graphc has trained."""
    weights = load_file(path)
    for layer in model.layers:
        layer.set_weights([weights[f"{layer.name}.{w.name}"] for w in layer.weights])


def model():
    """The network of docs/guide/keras.md."""
    return keras.Sequential([
        keras.Input((28, 28, 1), name="image"),
        layers.Conv2D(8, 5, name="conv1"),
        layers.BatchNormalization(name="bn1"),
        layers.ReLU(name="relu1"),
        layers.MaxPooling2D(2, name="pool1"),
        layers.Flatten(name="flat"),
        layers.Dropout(0.2, name="drop1"),
        layers.Dense(64, activation="relu", name="dense1"),
        layers.Dense(10, activation="softmax", name="probabilities"),
    ])


def mnist(part):
    """Pictures and classes of the MNIST files of the project."""
    pictures = gzip.open(f"data/mnist/{part}-images-idx3-ubyte.gz").read()
    classes = gzip.open(f"data/mnist/{part}-labels-idx1-ubyte.gz").read()
    pictures = np.frombuffer(pictures, np.uint8, offset=16).reshape(-1, 28, 28, 1) / np.float32(255)
    return pictures, np.frombuffer(classes, np.uint8, offset=8)


if __name__ == "__main__":
    net = model()
    net.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(*mnist("train"), batch_size=64, epochs=1, validation_split=0.2, verbose=2)
    loss, accuracy = net.evaluate(*mnist("t10k"), verbose=0)
    to_graphc(net, "keras.safetensors")
    print(f"Keras: test loss {loss:.4f}, accuracy {accuracy:.4f}; weights in keras.safetensors")
