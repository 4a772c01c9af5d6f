"""LeNet-5 of examples/lenet5.graph.json in PyTorch: the same layers, constants, optimizer and split of the data.

All pictures are in memory as one tensor, and a batch is a slice of it by random positions: for PyTorch this is faster
than a DataLoader.
"""

import argparse
import json
import time

import mnist
import torch
from torch import nn

options = argparse.ArgumentParser()
options.add_argument("--epochs", type=int, default=3)
options.add_argument("--threads", type=int, default=2)
options = options.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(1)


def norm(kind, n):
    return kind(n, eps=1e-3, momentum=0.01)  # Keras's momentum of 0.99


network = nn.Sequential(
    nn.Conv2d(1, 6, 5), norm(nn.BatchNorm2d, 6), nn.ReLU(), nn.AvgPool2d(2), norm(nn.BatchNorm2d, 6),
    nn.Conv2d(6, 16, 5), norm(nn.BatchNorm2d, 16), nn.ReLU(), nn.AvgPool2d(2), norm(nn.BatchNorm2d, 16), nn.Flatten(),
    nn.Linear(256, 120), nn.ReLU(), norm(nn.BatchNorm1d, 120),
    nn.Linear(120, 84), nn.ReLU(), norm(nn.BatchNorm1d, 84),
    nn.Linear(84, 10),
)
for layer in network:
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7)
loss_of = nn.CrossEntropyLoss()

x, y = (torch.from_numpy(array) for array in mnist.read("train"))
x = x.permute(0, 3, 1, 2).contiguous()
train, validation = (x[: mnist.N_TRAINED], y[: mnist.N_TRAINED]), (x[mnist.N_TRAINED :], y[mnist.N_TRAINED :])


def accuracy(x, y):
    network.eval()
    with torch.inference_mode():
        right = sum((network(x[at : at + 64]).argmax(1) == y[at : at + 64]).sum().item() for at in range(0, len(x), 64))
    return right / len(x)


first_step, seconds = None, []
for epoch in range(options.epochs):
    start = time.perf_counter()
    network.train()
    for batch in torch.randperm(len(train[0])).split(64):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(network(train[0][batch]), train[1][batch])
        loss.backward()
        optimizer.step()
        first_step = first_step or mnist.process_age()
    accuracy(*validation)
    seconds.append(round(time.perf_counter() - start, 3))
x, y = (torch.from_numpy(array) for array in mnist.read("t10k"))
test = accuracy(x.permute(0, 3, 1, 2).contiguous(), y)
threads = "1 thread" if options.threads == 1 else f"{options.threads} threads"
tool = f"PyTorch {torch.__version__}, {threads}"
print(json.dumps({"tool": tool, "epochs": seconds, "first_step": round(first_step, 2), "test_accuracy": test}))
