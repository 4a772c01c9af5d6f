"""Training steps of larger examples in PyTorch, to be compared with `graphc bench`: the median of some, on random data."""

import argparse
import json
import time

import torch
from torch import nn

options = argparse.ArgumentParser()
options.add_argument("nets", nargs="*", default=["mlp-1024", "strided", "vgg32"])
options.add_argument("--steps", type=int, default=20)
options.add_argument("--threads", type=int, default=2)
options.add_argument("--cpu", action="store_true", help="processor time, all threads together")
options = options.parse_args()
torch.set_num_threads(options.threads)
now = time.process_time if options.cpu else time.perf_counter


def conv(n_inputs, n_outputs, kernel=3, stride=1):
    norm = nn.BatchNorm2d(n_outputs, eps=1e-3, momentum=0.01)
    return [nn.Conv2d(n_inputs, n_outputs, kernel, stride, padding=kernel // 2), norm, nn.ReLU()]


def vgg_block(n_inputs, n_outputs):
    return [*conv(n_inputs, n_outputs), *conv(n_outputs, n_outputs), nn.MaxPool2d(2)]


NETS = {
    "mlp-1024": (256, (784,), lambda: nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))),
    "strided": (64, (3, 32, 32), lambda: nn.Sequential(
        *conv(3, 32), *conv(32, 64, stride=2), *conv(64, 64, 1), *conv(64, 128, stride=2), *conv(128, 128, 1),
        *conv(128, 256, stride=2), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(256, 10))),
    "vgg32": (64, (3, 32, 32), lambda: nn.Sequential(
        *vgg_block(3, 64), *vgg_block(64, 128), *vgg_block(128, 256), nn.Flatten(), nn.Linear(4096, 256), nn.ReLU(),
        nn.Linear(256, 10))),
}


def measure(batch, shape, network):
    """Milliseconds of the fastest and the median step; pictures in the layout that is faster here."""
    times = []
    x, y = torch.rand(batch, *shape), torch.randint(10, (batch,))
    if len(shape) == 3:
        x, network = x.to(memory_format=torch.channels_last), network.to(memory_format=torch.channels_last)
    optimizer, loss_of = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7), nn.CrossEntropyLoss()
    for _ in range(options.steps + 3):
        start = now()
        optimizer.zero_grad(set_to_none=True)
        loss_of(network(x), y).backward()
        optimizer.step()
        times.append((now() - start) * 1e3)
    times = sorted(times[3:])
    return {"ms_min": round(times[0], 2), "ms_median": round(times[len(times) // 2], 2)}


for net in options.nets:
    batch, shape, make = NETS[net]
    print(json.dumps({"net": net, "batch": batch, "threads": options.threads, **measure(batch, shape, make())}))
