"""Writes scikit-learn's scans of handwritten digits as PNG files: <folder>/<digit>/<number>.png.

    python digits.py digits

Two digits are made rare, so that there is something to weigh.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

RARE = {3: 20, 8: 20}  # images that are kept

counts: Counter[int] = Counter()
scans = load_digits()
for scan, digit in zip(scans.images, scans.target.tolist(), strict=True):
    if counts[digit] < RARE.get(digit, len(scans.images)):
        file = Path(sys.argv[1], str(digit), f"{counts[digit]:03}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        # 8 x 8 pixels of ink, counted in sixteen steps
        Image.fromarray((scan * (255 / 16)).astype(np.uint8)).resize((32, 32)).save(file)
        counts[digit] += 1
print(f"{sum(counts.values())} images in {sys.argv[1]}: {dict(sorted(counts.items()))}")
