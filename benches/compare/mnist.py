"""What the scripts of the comparison share: MNIST in memory, and the age of the process."""

import gzip
import os
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parents[2] / "data" / "mnist"
N_TRAINED = 48_000  # of 60,000; the last 20% validate, as in examples/lenet5.graph.json


def read(prefix):
    """Pictures [N, 28, 28, 1] from 0 to 1 and their classes."""
    pictures = np.frombuffer(gzip.open(FOLDER / f"{prefix}-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
    classes = np.frombuffer(gzip.open(FOLDER / f"{prefix}-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)
    return (pictures.reshape(-1, 28, 28, 1) / np.float32(255)).astype(np.float32), classes.astype(np.int64)


def process_age():
    """Seconds since this process started, its imports included (Linux)."""
    started = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(open("/proc/uptime").read().split()[0]) - started
