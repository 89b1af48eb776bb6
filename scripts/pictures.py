"""Draw the picture of README.md: what ``lrft run`` draws. With ``--check``, compare instead.

python scripts/pictures.py            # after a change to pictures or to the default run
python scripts/pictures.py --check    # exits with 1 if it is not what is drawn now
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib import image

PICTURE = Path(__file__).parents[1] / "docs/images/run.png"
BLOCK = 16  # pixels: letters may be drawn otherwise elsewhere, not stand elsewhere
MOST = 0.1  # of the way from black to white, in the mean of a block


def draw() -> bytes:
    """Return the picture that the first command of README.md draws."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lrft.cli", "run"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return (Path(folder) / "lrft-run.png").read_bytes()


def difference(one: bytes, other: bytes) -> float:
    """Return the largest difference of two pictures in the mean of a block; 1 for other sizes."""
    first, second = (_blocks(content) for content in (one, other))
    if first.shape != second.shape:
        return 1.0
    return float(np.abs(first - second).max())


def _blocks(content: bytes) -> np.ndarray:
    pixels = image.imread(io.BytesIO(content), format="png")[..., :3]
    rows, columns = (size // BLOCK for size in pixels.shape[:2])
    cut = pixels[: rows * BLOCK, : columns * BLOCK]
    return cut.reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3))


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    drawn = draw()
    if not parser.parse_args().check:
        PICTURE.write_bytes(drawn)
        return 0
    found = difference(drawn, PICTURE.read_bytes())
    print(f"largest difference of a block: {found:.3f}, at most {MOST}")
    return int(found > MOST)


if __name__ == "__main__":
    sys.exit(main())
