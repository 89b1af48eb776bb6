"""What the sdist and the wheel contain, and that the wheel needs no compiler.

LRFT_DIST names a folder with both (``python -m build --outdir FOLDER``); without
it these tests are skipped, since building takes minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import lrft

DIST = os.environ.get("LRFT_DIST")
pytestmark = [
    pytest.mark.any_set,
    pytest.mark.skipif(not DIST, reason="LRFT_DIST names no folder with built files"),
]


@pytest.fixture(scope="module")
def sdist() -> Path:
    (path,) = Path(str(DIST)).glob(f"lrft-{lrft.__version__}.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel() -> Path:
    (path,) = Path(str(DIST)).glob(f"lrft-{lrft.__version__}-*.whl")
    return path


def test_sdist_has_what_a_build_and_a_test_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = """pyproject.toml CMakeLists.txt CMakePresets.json LICENSE README.md CHANGELOG.md
        cmake/Isa.cmake cpp/isa/cpu_module.cpp bindings/module.cpp python/lrft/core/isa.py
        python/lrft/py.typed python/lrft/data/digits.safetensors tests/conftest.py
        tests/core/CMakeLists.txt"""
    assert set(needed.split()) - names == set()


def test_sdist_has_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    folders = {name.partition("/")[0] for name in names if "/" in name}
    expected = {"bench", "bindings", "cmake", "cpp", "docs", "python", "scripts", "tests"}
    assert folders <= expected
    built = (".so", ".o", ".a", ".pyc", ".nc", ".whl")
    assert [name for name in names if name.endswith(built) or "/build/" in name] == []
    assert sdist.stat().st_size < 2_000_000


def test_wheel_content(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    if sysconfig.get_platform() == "linux-x86_64":
        sets = ["isa_x86_64", "isa_x86_64_v3", "isa_x86_64_v4"]
    else:
        sets = ["isa_native"]
    modules = {f"lrft/{name}/_core{suffix}" for name in sets} | {f"lrft/_cpu{suffix}"}
    assert {name for name in names if name.endswith(suffix)} == modules
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"lrft", "lrft_command"}
    assert [name for name in names if name.endswith((".cpp", ".hpp", ".a", ".o"))] == []
    assert f"lrft-{lrft.__version__}.dist-info/licenses/LICENSE" in names


def test_wheel_installs_and_runs_without_a_compiler(wheel: Path, tmp_path: Path) -> None:
    """A new environment and a PATH with nothing else on it; other packages come from ours."""
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    environment = {"PATH": str(home / "bin"), "HOME": str(tmp_path)}
    command = [home / "bin" / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel]
    subprocess.run(command, env=environment, check=True, capture_output=True)

    site = home / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = "import shutil, lrft; print(shutil.which('c++'), lrft._core.__file__)"
    done = subprocess.run(
        [home / "bin" / "python", "-c", code], env=environment, capture_output=True, text=True
    )
    compiler, _, file = done.stdout.strip().partition(" ")
    assert compiler == "None", done.stderr
    assert Path(file).is_relative_to(site)
