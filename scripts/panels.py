"""Keep the verdicts of many instances: python/lrft/data/panels.json.

    lrft reproduce figures --instances 128 --resume --out many
    python scripts/panels.py many

The first takes ten core-minutes or so, and with --resume goes on where it was interrupted.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lrft
from lrft.base import netcdf
from lrft.paper import registry

TARGET = Path(__file__).parents[1] / "python" / "lrft" / "data" / "panels.json"


def main(folder: Path) -> None:
    panels: dict[str, Any] = {}
    counts, sets = set(), set()
    for one in registry.experiments("figures"):
        data = netcdf.read(folder / f"{one.name}.nc", ours=True)
        counts.add(data.sizes["instance"])
        sets.add(data.attrs["instruction_set"])
        verdicts = [asdict(verdict) for verdict in one.judge(data)]
        panels[one.name] = {"settings": one.settings, "verdicts": verdicts}
    (instances,), (instruction_set,) = counts, sets
    kept = {
        "what": f"lrft reproduce figures --instances {instances}",
        "instances": instances,
        "version": lrft.__version__,
        "instruction_set": instruction_set,
        "panels": panels,
    }
    TARGET.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
