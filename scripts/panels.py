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
from lrft.paper.experiment import Verdict

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
            "settings": one.settings,
            "verdicts": [_kept(verdict) for verdict in one.judge(data)],
        }
    kept = {"version": lrft.__version__, "panels": dict(sorted(panels.items()))}
    TARGET.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _kept(verdict: Verdict) -> dict[str, Any]:
    needs = verdict.needs if verdict.outcome == "not decided" else ""
    return asdict(verdict) | {"needs": needs}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
