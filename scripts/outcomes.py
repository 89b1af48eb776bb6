"""What came out of every check: a page made from test runs, never by hand.

    python scripts/outcomes.py                # run both suites against the installed package
    LRFT_OUTCOMES=FOLDER bash .ci/run         # or note all that CI runs, every instruction set ...
    python scripts/outcomes.py --of FOLDER    # ... and make the page of it

The page is build/outcomes.md: it belongs to a run, so the repository does not keep it.

Of every comparison ``measured < bound`` that a passing test makes with two numbers, pytest's own
account of the assertion is read, and the one closest to its bound is kept (of ``measured > bound``
where there is no other).  So the page states what was measured without any test being written for
it.  This file is also the plugin that does so (``-p outcomes``); it writes FOLDER/NAME.json.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "build/outcomes.md"

_SCALAR = re.compile(r"np\.(?:float|int)\d+\(([^()]*)\)")
_ARITHMETIC = re.compile(r"(?:abs)?[\d.e+\-*/() ]+")
SUITES = {
    "default": ["-m", "not verification and not alone"],
    "alone": ["-m", "not verification and alone"],
    "verification": ["-m", "verification"],
}
ROOMS = {
    "unit": "One part at a time",
    "agreement": "Two ways to compute the same thing",
    "statistics": "Laws",
    "property": "Invariances",
    "packaging": "What is installed",
}


# ---- as a pytest plugin ------------------------------------------------------------------------


def compared(explanation: str) -> tuple[float, str, float] | None:
    """Read ``a < b`` or ``a == b ± c`` between numbers, written out or in arithmetic, else None."""
    line = _SCALAR.sub(r"\1", explanation.split("\n")[0]).removeprefix("assert ")
    line = re.sub(r"^(.*) == (.*) ± (.*)$", r"abs(\1 - \2) < \3", line)
    parts = re.split(r" (<=?|>=?) ", line)
    if len(parts) != 3 or not all(_ARITHMETIC.fullmatch(side) for side in parts[::2]):
        return None
    if not re.search(r"[.e]", parts[0] + parts[2]):
        return None  # counts
    try:
        measured, bound = (eval(side, {"__builtins__": {}, "abs": abs}) for side in parts[::2])
    except (SyntaxError, ArithmeticError, TypeError):
        return None
    return (
        (measured, parts[1][0], bound)
        if measured >= 0 and bound > 0 and (parts[1][0] == "<" or measured > 0)
        else None
    )


class Plugin:
    """Collects, for every test, its outcome, time and the comparison closest to its bound."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self.running = ""

    def pytest_configure(self, config: Any) -> None:
        import numpy as np
        import pytest

        self.folder = Path(config.getini("outcomes_folder"))
        self.name = config.getini("outcomes_name")

        helpers = (path.stem for path in (ROOT / "tests/support").glob("*.py"))
        pytest.register_assert_rewrite(*helpers)
        plain = np.testing.assert_allclose

        def recorded(
            actual: Any, desired: Any, rtol: float = 1e-7, atol: float = 0, **kw: Any
        ) -> None:
            plain(actual, desired, rtol=rtol, atol=atol, **kw)
            wanted = np.asarray(desired, float)
            gaps = np.abs(np.asarray(actual, float) - wanted)
            bounds = np.broadcast_to(atol + rtol * np.abs(wanted), gaps.shape)
            if gaps.size and (bounds > 0).all() and np.isfinite(gaps).all():
                at = np.unravel_index(np.argmax(gaps / bounds), gaps.shape)
                self.note(self.running, float(gaps[at]), "<", float(bounds[at]))

        np.testing.assert_allclose = recorded

    def pytest_runtest_call(self, item: Any) -> None:
        self.running = item.nodeid

    def note(self, test: str, measured: float, sign: str, bound: float) -> None:
        """Keep the comparison closest to its bound; those of errors go before others."""
        share = measured / bound if sign == "<" else bound / measured - 2
        entry = self.tests.setdefault(test, {})
        if share >= entry.get("share", -9.0):
            entry |= {"share": share, "measured": measured, "sign": sign, "bound": bound}

    def pytest_assertion_pass(self, item: Any, lineno: int, orig: str, expl: str) -> None:
        if found := compared(expl):
            self.note(item.nodeid, *found)

    def pytest_sessionfinish(self) -> None:
        import lrft
        from lrft.core.engine import compiled

        build = compiled.build_info()
        about = {
            "version": lrft.__version__,
            "isa": build["isa"],
            "compiler": build["compiler"],
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        }
        tests = {name: test for name, test in self.tests.items() if "outcome" in test}
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"about": about, "tests": tests})
        (self.folder / f"{self.name}.json").write_text(text, encoding="utf-8")

    def pytest_runtest_logreport(self, report: Any) -> None:
        entry = self.tests.setdefault(report.nodeid, {})
        entry["seconds"] = entry.get("seconds", 0.0) + report.duration
        if report.when == "call" or report.outcome != "passed":
            entry["outcome"] = report.outcome
            if report.skipped and isinstance(report.longrepr, tuple):
                entry["reason"] = report.longrepr[2].removeprefix("Skipped: ")


def pytest_addoption(parser: Any) -> None:
    parser.addini("outcomes_folder", "where what was collected goes")
    parser.addini("outcomes_name", "name of this run", default="default")


def pytest_configure(config: Any) -> None:
    plugin = Plugin()
    config.pluginmanager.register(plugin, "outcomes of checks")


# ---- gathering ----------------------------------------------------------------------------------


def run(folder: Path, suites: dict[str, list[str]]) -> None:
    """Run suites of tests one after the other, each writing FOLDER/NAME.json."""
    for name, extra in suites.items():
        command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml")]
        command += ["--rootdir", str(ROOT), "-p", "no:cacheprovider", "-p", "outcomes"]
        command += ["-o", "enable_assertion_pass_hook=true"]
        command += ["-o", f"outcomes_folder={folder}", "-o", f"outcomes_name={name}"]
        path = f"{ROOT / 'scripts'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        # Assertions are rewritten with the hook in mind only if no older bytecode is found.
        fresh = {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        subprocess.run([*command, *extra, str(ROOT / "tests")], env=os.environ | fresh, check=False)


def gather(folder: Path) -> dict[str, Any]:
    """Bring the runs of a folder together."""
    runs = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    if not runs:
        raise SystemExit(f"{folder} holds no outcomes: nothing was run with -p outcomes")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    about = next(iter(runs.values()))["about"]
    found = checks([test for one in runs.values() for test in one["tests"].items()])
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*/test_*.py")}
    return about | {
        "left_out": sorted(files - {check["file"] for check in found}),
        "date": datetime.date.today().isoformat(),
        "commit": commit.stdout.strip(),
        "runs": {name: one["about"]["isa"] for name, one in runs.items()},
        "checks": found,
    }


def checks(tests: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """One entry a test function: its parametrisations counted, its closest comparison kept."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for nodeid, test in tests:
        path, _, name = nodeid.partition("::")
        key = (path, name.split("[")[0])
        one = found.setdefault(
            key, {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0, "share": -9.0}
        )
        one[test["outcome"]] += 1
        one["seconds"] += test["seconds"]
        if test.get("share", -9.0) > one["share"]:
            one |= {name: test[name] for name in ("share", "measured", "sign", "bound")}
        if "reason" in test:
            one["reason"] = test["reason"]
    about = {}
    for path in {path for path, _ in found}:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        about[path] = {
            node.name: (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
        } | {"": (ast.get_docstring(tree) or "").split("\n")[0]}
    return [
        {"file": path, "test": name, "about": about[path].get(name.split("::")[-1], "")}
        | {"module": about[path][""]}
        | {key: round(value, 3) if key == "seconds" else value for key, value in one.items()}
        for (path, name), one in sorted(found.items())
    ]


# ---- the page ----------------------------------------------------------------------------------


def render(data: dict[str, Any]) -> str:
    total = {
        key: sum(check[key] for check in data["checks"]) for key in ("passed", "failed", "skipped")
    }
    text = [
        "# The outcome of every check",
        "",
        "This page is generated by `scripts/outcomes.py` from runs of the tests: do not edit it.",
        "What the checks are, and why their bounds are what they are, is in",
        "[how we know it is right](../docs/verification.md).",
        "",
        f"Run on {data['date']} at commit `{data['commit']}`: lrft {data['version']}, "
        f"{data['compiler']}, Python {data['python']}, {data['machine']}. Runs (instruction set): "
        + ", ".join(f"{name} (`{isa}`)" for name, isa in data["runs"].items())
        + ".",
        "",
        f"**{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped**, "
        f"in {len(data['checks'])} checks.",
        "",
        "*Closest* is, over all cases of a check, the comparison `measured < bound` that came",
        "nearest to its bound (or `measured > bound`, as of p-values, where there is no other).",
        "Checks of equality and of refusals have none.",
        "",
    ]
    if data["left_out"]:
        names = ", ".join(Path(file).name for file in data["left_out"])
        text += [f"**These runs left out** {names}.", ""]
    by_file: dict[str, list[dict[str, Any]]] = {}
    for check in data["checks"]:
        by_file.setdefault(check["file"], []).append(check)
    for room, title in ROOMS.items():
        files = [file for file in by_file if file.startswith(f"tests/{room}/")]
        if files:
            text += [f"## {title}", ""]
        for file in files:
            text += [f"### {Path(file).name}", "", _escape(by_file[file][0]["module"]), ""]
            text += ["| check | cases | outcome | closest |", "| --- | ---: | --- | --- |"]
            text += [_row(check) for check in by_file[file]]
            text += [""]
    return "\n".join(text)


def _row(check: dict[str, Any]) -> str:
    name = check["test"].split("::")[-1].removeprefix("test_").replace("_", " ")
    cases = check["passed"] + check["failed"] + check["skipped"]
    outcome = "passed" if check["passed"] == cases else f"**{check['failed']} failed**"
    if check["skipped"] and not check["failed"]:
        outcome = "skipped" if check["skipped"] == cases else f"passed, {check['skipped']} skipped"
        outcome += f": {_escape(check.get('reason', ''))}"
    closest = ""
    if "measured" in check:
        closest = f"{check['measured']:.2g} {check['sign']} {check['bound']:.2g}"
    about = f"{name}: {_escape(check['about'])}" if check["about"] else name
    return f"| {about} | {cases} | {outcome} | {closest} |"


def _escape(text: str) -> str:
    for character in "|*_<>$":
        text = text.replace(character, "\\" + character)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--of", type=Path, help="folder of runs that were noted")
    parser.add_argument("--quick", action="store_true", help="without the long suite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.of is None:
            suites = {"default": SUITES["default"]} if options.quick else SUITES
            run(Path(folder), suites)
        data = gather(options.of or Path(folder))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(data), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
