"""Runs the same training in several tools in turn, and prints the least that each took: see README.md."""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
options = argparse.ArgumentParser()
options.add_argument("--rounds", type=int, default=3)
options.add_argument("--epochs", type=int, default=3)
options.add_argument("--cpu", action="store_true", help="processor time of an epoch on one thread, for busy machines")
options.add_argument("--graphc", metavar="PROGRAM")
options.add_argument("--torch", metavar="PYTHON", help="an interpreter with torch and numpy")
options.add_argument("--jax", metavar="PYTHON", help="an interpreter with keras and jax")
options.add_argument("--tensorflow", metavar="PYTHON", help="an interpreter with keras and tensorflow")
options = options.parse_args()
FOLDER = tempfile.TemporaryDirectory()


class Tool:
    """A command that trains, without its number of epochs, and its environment."""

    def __init__(self, command, name=None, **environment):
        self.command, self.name, self.environment, self.n_runs, self.results = command, name, environment, 0, []

    def run(self, epochs):
        """The lines it prints, of JSON, and the processor time it takes."""
        self.n_runs += 1
        command = [*self.command, "--epochs", str(epochs)]
        if command[0] == options.graphc:
            command += ["--out", f"{FOLDER.name}/run-{id(self)}-{self.n_runs}"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = subprocess.run(command, env=os.environ | self.environment, check=True, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        lines = [line for line in output.stdout.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines], seconds

    def measure(self):
        if options.cpu:  # What comes before and behind the epochs is in both runs.
            (_, first), (lines, all_of_them) = self.run(1), self.run(1 + options.epochs)
            seconds = (all_of_them - first) / options.epochs
        else:
            lines, _ = self.run(options.epochs)
        last = lines[-1]
        # The first epoch of some tools has their compilation in it.
        epochs = last["epochs"] if "epochs" in last else [line["seconds"] for line in lines[:-1]]
        seconds = seconds if options.cpu else min(epochs[1:] or epochs)
        first_step = last["first_step"] if "first_step" in last else last["first_step_ms"] / 1000
        self.results.append((seconds, first_step, last["test_accuracy"]))
        self.name = last.get("tool", self.name)


def tools():
    one = ["taskset", "-c", "0"] if options.cpu else []
    threads = [1] if options.cpu else [1, 2]
    if options.graphc:
        graph = HERE.parents[1] / "examples" / "lenet5.graph.json"
        for n in threads:
            name = f"graphc, {n} thread{'s' if n > 1 else ''}"
            yield Tool([options.graphc, "train", graph, "--json", "--threads", str(n)], name)
    if options.torch:
        # On a machine that is not idle, one thread may be faster than two that wait for each other.
        yield from (Tool([options.torch, HERE / "lenet5_torch.py", "--threads", str(n)]) for n in threads)
    if options.jax:
        yield Tool([*one, options.jax, HERE / "lenet5_keras.py"], KERAS_BACKEND="jax")
    if options.tensorflow:
        yield Tool([*one, options.tensorflow, HERE / "lenet5_keras.py"], KERAS_BACKEND="tensorflow")


compared = list(tools())
for _ in range(options.rounds):
    for tool in compared:
        tool.measure()
        print(tool.name, *tool.results[-1], flush=True)
print("\n| tool | epoch | first step after | test accuracy |\n|---|---|---|---|")
for tool in compared:
    seconds, first_step, accuracy = (min(numbers) for numbers in zip(*tool.results))
    print(f"| {tool.name} | {seconds:.2f} s | {first_step:.2f} s | {accuracy:.4f} |")
