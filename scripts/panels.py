"""Keep the verdicts of many instances: python/lrft/data/panels.json.

    lrft reproduce figures --instances 128 --resume --out many
    python scripts/panels.py many

The first takes ten core-minutes or so, and with --resume goes on where it was interrupted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lrft
from lrft.base import netcdf
from lrft.paper import registry
from lrft.paper.figures import measured

TARGET = Path(__file__).parents[1] / "python" / "lrft" / "data" / "panels.json"


def main(folder: Path) -> None:
    # Panels that are not in the folder keep what they have.
    panels: dict[str, Any] = json.loads(TARGET.read_text(encoding="utf-8"))["panels"]
    for one in registry.experiments("figures"):
        if not (path := folder / f"{one.name}.nc").is_file():
            continue
        data = netcdf.read(path, ours=True)
        panels[one.name] = {
            "instances": data.sizes["instance"],
            "instruction_set": data.attrs["instruction_set"],
            "seed": data.attrs["seed"],
            "settings": one.settings,
            "judged_by": measured.judged_by(one),
            "verdicts": [verdict.as_dict() for verdict in one.judge(data)],
        }
    kept = {"version": lrft.__version__, "panels": dict(sorted(panels.items()))}
    TARGET.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
