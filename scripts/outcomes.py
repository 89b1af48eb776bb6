"""Run the tests and write what came out, check by check: docs/outcomes.md.

    python scripts/outcomes.py                    # both suites, against the installed package
    python scripts/outcomes.py --render           # the page again, from docs/results/outcomes.json

Of every comparison ``measured < bound`` that a passing test makes with two numbers, pytest's own
account of the assertion is read, and the one closest to its bound is kept (of ``measured > bound``
where there is no other).  So the
page states what was measured without any test being written for it.
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
DATA = ROOT / "docs/results/outcomes.json"
PAGE = ROOT / "docs/outcomes.md"

_SCALAR = re.compile(r"np\.(?:float|int)\d+\(([^()]*)\)")
_ARITHMETIC = re.compile(r"(?:abs)?[\d.e+\-*/() ]+")
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

    def pytest_configure(self) -> None:
        import numpy as np
        import pytest

        helpers = (path.stem for path in (ROOT / "tests/support").glob("*.py"))
        pytest.register_assert_rewrite(*helpers)
        plain = np.testing.assert_allclose

        def recorded(
            actual: Any, desired: Any, rtol: float = 1e-7, atol: float = 0, **kw: Any
        ) -> None:
            plain(actual, desired, rtol=rtol, atol=atol, **kw)
            gaps = np.abs(np.asarray(actual, float) - desired)
            bounds = np.broadcast_to(atol + rtol * np.abs(desired), gaps.shape)
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

    def pytest_runtest_logreport(self, report: Any) -> None:
        entry = self.tests.setdefault(report.nodeid, {})
        entry["seconds"] = entry.get("seconds", 0.0) + report.duration
        if report.when == "call" or report.outcome != "passed":
            entry["outcome"] = report.outcome
            if report.skipped and isinstance(report.longrepr, tuple):
                entry["reason"] = report.longrepr[2].removeprefix("Skipped: ")


def collect(arguments: list[str]) -> int:
    """Run pytest in this process and print what was collected, for the parent to read."""
    import pytest

    plugin = Plugin()
    code = pytest.main([*arguments[1:], "-o", "enable_assertion_pass_hook=true"], plugins=[plugin])
    Path(arguments[0]).write_text(json.dumps(plugin.tests))
    return int(code)


# ---- gathering ---------------------------------------------------------------------------------


def run(suites: list[list[str]]) -> dict[str, Any]:
    import lrft
    from lrft import _core

    tests: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for extra in suites:
            out = Path(folder) / "tests.json"
            command = [sys.executable, __file__, "--collect", str(out), "-q", "-c"]
            command += [str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
            command += ["-p", "no:cacheprovider", *extra, str(ROOT / "tests")]
            # Assertions are rewritten with the hook in mind only if no older bytecode is found.
            subprocess.run(command, env=os.environ | {"PYTHONPYCACHEPREFIX": folder}, check=False)
            found = json.loads(out.read_text())
            tests |= {name: entry for name, entry in found.items() if "outcome" in entry}
    build = _core.build_info()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit.stdout.strip(),
        "version": lrft.__version__,
        "isa": build["isa"],
        "compiler": build["compiler"],
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "checks": checks(tests),
    }


def checks(tests: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry a test function: its parametrisations counted, its closest comparison kept."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for nodeid, test in tests.items():
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
        "This page is generated by `scripts/outcomes.py` from a run of all tests, the long suite",
        "included: do not edit it. What the checks are, and why their bounds are what they are, is",
        "in [how we know it is right](verification.md).",
        "",
        f"Run on {data['date']} at commit `{data['commit']}`: lrft {data['version']} "
        f"(`{data['isa']}`, {data['compiler']}), Python {data['python']}, {data['machine']}.",
        "",
        f"**{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped**, "
        f"in {len(data['checks'])} checks.",
        "",
        "*Closest* is, over all cases of a check, the comparison `measured < bound` that came",
        "nearest to its bound (or `measured > bound`, as of p-values, where there is no other).",
        "Checks of equality and of refusals have none.",
        "",
    ]
    by_file: dict[str, list[dict[str, Any]]] = {}
    for check in data["checks"]:
        by_file.setdefault(check["file"], []).append(check)
    for room, title in ROOMS.items():
        files = [file for file in by_file if file.startswith(f"tests/{room}/")]
        if files:
            text += [f"## {title}", ""]
        for file in files:
            text += [f"### `{file}`", "", _escape(by_file[file][0]["module"]), ""]
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
    if "--collect" in sys.argv:
        sys.exit(collect(sys.argv[sys.argv.index("--collect") + 1 :]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="only write the page again")
    parser.add_argument("--quick", action="store_true", help="without the long suite")
    options = parser.parse_args()
    if not options.render:
        suites = [[]] if options.quick else [[], ["-m", "verification"]]
        DATA.parent.mkdir(exist_ok=True)
        data = json.dumps(run(suites), indent=1, ensure_ascii=False)
        DATA.write_text(data + "\n", encoding="utf-8")
    PAGE.write_text(render(json.loads(DATA.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
