"""Trains a network and predicts with it from Python: graphc is a program, arrays go through safetensors files.

    pip install numpy safetensors
    python examples/predict.py examples/digits-npy.graph.json examples/made/digits-test-images.npy
"""

import json
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file


def train(graph, *options):
    """Trains as the graph file says; the results, with the name of the run folder under `run`."""
    command = ["graphc", "train", graph, "--json", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def predict(run, **inputs):
    """Gives arrays by input name to the network of a run; its outputs as arrays by node name."""
    with tempfile.TemporaryDirectory() as folder:
        save_file(inputs, f"{folder}/x.safetensors")
        command = ["graphc", "run", f"{run}/graph.json", "--weights", f"{run}/model.safetensors", "--preprocess"]
        command += ["--inputs", f"{folder}/x.safetensors", "--outputs", f"{folder}/y.safetensors"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return load_file(f"{folder}/y.safetensors")


if __name__ == "__main__":
    results = train(sys.argv[1])
    print(f"{results['run']}: test accuracy {results['test_accuracy']}")
    pictures = np.load(sys.argv[2]).reshape(-1, 28, 28, 1).astype(np.float32)
    print("classes of the first ten:", predict(results["run"], image=pictures)["probabilities"].argmax(1)[:10])
