"""One extension module per instruction set: which one runs, and that only one does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

import lrft
from lrft import _cpu
from lrft.core import isa as instruction_sets

AVAILABLE = instruction_sets.available()


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter, LRFT_ISA unset unless given."""
    kept = {key: value for key, value in os.environ.items() if key != instruction_sets.VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True
    )


def test_the_set_asked_for_is_the_set_that_runs() -> None:
    wanted = os.environ.get(instruction_sets.VARIABLE) or AVAILABLE[0]
    assert lrft._core.build_info()["isa"] == wanted


@pytest.mark.parametrize("isa", AVAILABLE)
def test_each_available_set_loads(isa: str) -> None:
    done = python("import lrft; print(lrft._core.build_info()['isa'])", LRFT_ISA=isa)
    assert done.stdout.strip() == isa, done.stderr


@pytest.mark.parametrize("name", ["avx512", "X86-64", "x86-64-v2", "x86_64", " x86-64", "0"])
def test_an_unknown_name_is_an_error(name: str) -> None:
    done = python("import lrft", LRFT_ISA=name)
    message = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert message.startswith(f"ImportError: LRFT_ISA={name!r} is not the name of an instruction")
    assert message.endswith(f"available here: {', '.join(AVAILABLE)}")


@pytest.mark.parametrize(
    ("installed", "supported", "wanted", "reason"),
    [
        (["x86-64-v4", "x86-64"], ["x86-64"], "x86-64-v4", "is not supported by this machine"),
        (["x86-64"], ["x86-64-v3", "x86-64"], "x86-64-v3", "is not in this installation"),
        (["x86-64"], ["x86-64"], "native", "is not in this installation"),
        (["x86-64-v4"], ["x86-64"], None, "no compiled module of lrft runs on this machine"),
        ([], ["x86-64"], None, "the package carries none"),
    ],
)
def test_a_set_that_cannot_run_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
    installed: list[str],
    supported: list[str],
    wanted: str | None,
    reason: str,
) -> None:
    monkeypatch.setattr(instruction_sets, "installed", lambda: dict.fromkeys(installed, ""))
    monkeypatch.setattr(_cpu, "supported", lambda: tuple(supported))
    monkeypatch.setenv(instruction_sets.VARIABLE, wanted or "")
    with pytest.raises(ImportError, match=reason):
        instruction_sets.choose()


@pytest.mark.parametrize(
    ("installed", "supported", "best"),
    [
        (["x86-64-v4", "x86-64-v3", "x86-64"], ["x86-64-v3", "x86-64"], "x86-64-v3"),
        (["x86-64-v4", "x86-64-v3", "x86-64"], ["x86-64"], "x86-64"),
        (["native"], [], "native"),
    ],
)
def test_the_best_set_that_runs_is_chosen(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], supported: list[str], best: str
) -> None:
    monkeypatch.setattr(instruction_sets, "installed", lambda: dict.fromkeys(installed, ""))
    monkeypatch.setattr(_cpu, "supported", lambda: tuple(supported))
    monkeypatch.delenv(instruction_sets.VARIABLE, raising=False)
    assert instruction_sets.choose() == best


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc/self/maps")
@pytest.mark.parametrize("isa", AVAILABLE)
def test_only_one_module_is_mapped(isa: str) -> None:
    """The sets share names of templates; they cannot mix, since only one set is in a process."""
    code = """
import lrft, lrft._core, lrft.core.isa
from lrft import _core
assert lrft.core.isa.load() is _core is lrft._core
for line in open("/proc/self/maps"):
    if "/_core." in line:
        print(line.split(maxsplit=5)[5].strip())
"""
    done = python(code, LRFT_ISA=isa)
    assert set(done.stdout.splitlines()) == {instruction_sets.installed()[isa]}, done.stderr


def instructions(path: str) -> set[str]:
    """Mnemonics and vector registers that occur in the machine code of `path`."""
    tool = shutil.which("objdump")
    if tool is None:
        pytest.skip("needs objdump")
    command = [tool, "-d", "--no-show-raw-insn", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    mnemonics = re.findall(r"^\s*[0-9a-f]+:\t(\w+)", text, flags=re.MULTILINE)
    assert len(mnemonics) > 500, "objdump's output was not understood"
    return set(mnemonics) | set(re.findall(r"%[yz]mm", text))


def beyond_baseline(found: set[str]) -> set[str]:
    """AVX registers, VEX and EVEX instructions (they start with v), bit tricks of v2 and v3."""
    names = {"popcnt", "lzcnt", "mulx", "pdep", "pext", "rorx", "sarx", "shlx", "shrx", "andn"}
    return {name for name in found if name[0] in "%v" or name in names}


@pytest.mark.skipif(
    "x86-64" not in instruction_sets.installed(), reason="no x86-64 baseline module"
)
@pytest.mark.parametrize("module", ["_core", "_cpu"])
def test_the_baseline_needs_nothing_newer(module: str) -> None:
    path = instruction_sets.installed()["x86-64"] if module == "_core" else _cpu.__file__
    assert path is not None
    assert beyond_baseline(instructions(path)) == set()


@pytest.mark.parametrize(("isa", "register"), [("x86-64-v3", "%ymm"), ("x86-64-v4", "%zmm")])
def test_the_wider_sets_use_their_registers(isa: str, register: str) -> None:
    """The control of the test above, and the reason to ship these sets at all."""
    if isa not in instruction_sets.installed():
        pytest.skip(f"no {isa} module in this installation")
    assert register in beyond_baseline(instructions(instruction_sets.installed()[isa]))
