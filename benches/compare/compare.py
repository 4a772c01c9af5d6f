"""Runs the same training in several tools in turn, and prints the least that each took: see README.md."""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
options = argparse.ArgumentParser()
options.add_argument("--rounds", type=int, default=3)
options.add_argument("--epochs", type=int, default=3)
options.add_argument("--graphc", metavar="PROGRAM")
options.add_argument("--torch", metavar="PYTHON", help="an interpreter with torch and numpy")
options.add_argument("--jax", metavar="PYTHON", help="an interpreter with keras and jax")
options.add_argument("--tensorflow", metavar="PYTHON", help="an interpreter with keras and tensorflow")
options.add_argument("--compile", action="store_true", help="PyTorch also with torch.compile")
options = options.parse_args()


def python(interpreter, script, *more, **environment):
    command = [interpreter, HERE / script, "--epochs", str(options.epochs), *more]
    output = subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def graphc():
    with tempfile.TemporaryDirectory() as folder:
        command = [options.graphc, "train", HERE.parents[1] / "examples" / "lenet5.graph.json", "--json"]
        command += ["--threads", "2", "--epochs", str(options.epochs), "--out", f"{folder}/run"]
        lines = [json.loads(line) for line in subprocess.check_output(command, text=True).splitlines()]
    version = subprocess.check_output([options.graphc, "--version"], text=True).strip()
    first, test = lines[-1]["first_step_ms"] / 1000, lines[-1]["test_accuracy"]
    return {"tool": version, "epochs": [line["seconds"] for line in lines[:-1]], "first_step": first, "test_accuracy": test}


tools = []
if options.graphc:
    tools.append(graphc)
if options.torch:
    # On a machine that is not idle, one thread may be faster than two that wait for each other.
    tools.append(lambda: python(options.torch, "lenet5_torch.py", "--threads", "1"))
    tools.append(lambda: python(options.torch, "lenet5_torch.py", "--threads", "2"))
if options.torch and options.compile:
    tools.append(lambda: python(options.torch, "lenet5_torch.py", "--threads", "2", "--compile"))
if options.jax:
    tools.append(lambda: python(options.jax, "lenet5_keras.py", KERAS_BACKEND="jax"))
if options.tensorflow:
    tools.append(lambda: python(options.tensorflow, "lenet5_keras.py", KERAS_BACKEND="tensorflow"))

results = {}
for _ in range(options.rounds):
    for tool in tools:
        result = tool()
        print(json.dumps(result), flush=True)
        results.setdefault(result["tool"], []).append(result)
print("\n| tool | epoch | first step after | test accuracy |\n|---|---|---|---|")
for tool, runs in results.items():
    # The first epoch of some tools has their compilation in it.
    epoch = min(seconds for run in runs for seconds in run["epochs"][1:] or run["epochs"])
    first, test = min(run["first_step"] for run in runs), runs[0]["test_accuracy"]
    print(f"| {tool} | {epoch:.2f} s | {first:.2f} s | {test:.4f} |")
