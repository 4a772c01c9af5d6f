"""Draws the pictures of the guide that graphc does not draw itself: see README.md in this folder.

    python docs/pictures/draw.py rates RUN...                        schedules.svg, from the runs' histories
    python docs/pictures/draw.py prices houses-test.csv predictions.csv   prices.svg
    python docs/pictures/draw.py sheet IMAGES.gz LABELS.gz OUT.png   the first samples of every class
"""

import csv
import gzip
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"]


def text(x, y, words, anchor="start", size=12, color="#222"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-family="sans-serif" font-size="{size}" '
            f'fill="{color}">{words}</text>')


def frame(width, height, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *parts, "</svg>"]) + "\n"


def rates(*runs):
    """Small multiples: the learning rate at the end of every epoch, as a share of the full one."""
    parts = []
    for place, run in enumerate(runs):
        left, top, width, height = 50 + place % 4 * 170, 40 + place // 4 * 150, 140, 90
        config = json.loads(pathlib.Path(run, "run.json").read_text())["config"]
        rows = list(csv.DictReader(open(pathlib.Path(run, "history.csv"))))
        shares = [float(row["learning_rate"]) / config["learning_rate"] for row in rows]
        points = " ".join(f"{left + width * i / (len(shares) - 1):.1f},{top + height * (1 - share):.1f}"
                          for i, share in enumerate(shares))
        parts.append(f'<path d="M{left} {top} v{height} h{width}" fill="none" stroke="#999"/>')
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[0]}" stroke-width="2"/>')
        parts.append(text(left, top - 10, pathlib.Path(run).name.replace("-", " "), size=13))
        parts += [text(left - 5, top + 4, "1", "end", 10), text(left - 5, top + height + 4, "0", "end", 10)]
        parts += [text(left, top + height + 14, "1", "middle", 10),
                  text(left + width, top + height + 14, f"{len(shares)} epochs", "end", 10)]
    (HERE / "schedules.svg").write_text(frame(730, 20 + (len(runs) + 3) // 4 * 150, parts))


def prices(truth, predicted):
    """Predictions over true prices, and the line on which both are equal."""
    pairs = list(zip((float(row["price"]) for row in csv.DictReader(open(truth))),
                     (float(row["y"]) for row in csv.DictReader(open(predicted)))))[:400]
    top, left, size, most = 20, 60, 320, 700
    at = lambda true, guess: (left + size * true / most, top + size * (1 - guess / most))
    parts = []
    for tick in range(0, most + 1, 100):
        (x, y), (_, low) = at(tick, tick), at(0, 0)
        parts += [f'<path d="M{left} {y:.1f} h{size} M{x:.1f} {top} v{size}" stroke="#e4e4e4"/>',
                  text(left - 6, y + 4, tick, "end", 10), text(x, low + 15, tick, "middle", 10)]
    (x0, y0), (x1, y1) = at(0, 0), at(most, most)
    parts.append(f'<path d="M{x0} {y0} L{x1} {y1}" stroke="{COLORS[1]}" stroke-width="1.5"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{COLORS[0]}" fill-opacity="0.6"/>'
              for x, y in (at(*pair) for pair in pairs)]
    parts.append(text(left + size / 2, top + size + 34, "price in houses-test.csv", "middle"))
    parts.append(f'<g transform="translate(16 {top + size / 2}) rotate(-90)">{text(0, 0, "predicted", "middle")}</g>')
    (HERE / "prices.svg").write_text(frame(400, 385, parts))


def sheet(images, labels, out, columns=16):
    """One row for each class, 28x28 pixels each, dark on light."""
    from PIL import Image
    pixels, classes = gzip.open(images).read()[16:], gzip.open(labels).read()[8:]
    picture = Image.new("L", (columns * 30 + 2, 10 * 30 + 2), 255)
    for row in range(10):
        for column, sample in enumerate([i for i, c in enumerate(classes) if c == row][:columns]):
            tile = Image.frombytes("L", (28, 28), bytes(255 - p for p in pixels[sample * 784 : sample * 784 + 784]))
            picture.paste(tile, (2 + column * 30, 2 + row * 30))
    picture.save(HERE / out, optimize=True)


{"rates": rates, "prices": prices, "sheet": sheet}[sys.argv[1]](*sys.argv[2:])
