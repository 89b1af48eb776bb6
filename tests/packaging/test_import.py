"""What `import lrft` costs and what an installation contains."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

import lrft

HEAVY = [
    "scipy",
    "xarray",
    "pandas",
    "pydantic",
    "matplotlib",
    "h5py",
    "h5netcdf",
    "rich",
    "tqdm",
    "tomlkit",
    "docstring_parser",
    "typer",
    "safetensors",
    "distributed",
    "pyarrow",
    "bokeh",
]


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """Names in sys.modules after `import lrft` in a fresh interpreter, warnings as errors."""
    code = "import sys, json, lrft; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_check_can_see_modules(loaded: list[str]) -> None:
    assert {"lrft", "lrft._core", "lrft.core.isa"} <= set(loaded)


@pytest.mark.parametrize("name", HEAVY)
def test_import_does_not_load(name: str, loaded: list[str]) -> None:
    assert name not in {module.partition(".")[0] for module in loaded}


@pytest.mark.parametrize(
    "file", ["py.typed", "_core/__init__.pyi", "_cpu.pyi", "data/digits.safetensors"]
)
def test_package_data_is_installed(file: str) -> None:
    distribution = importlib.metadata.distribution("lrft")
    assert f"lrft/{file}" in {str(path) for path in distribution.files or ()}


def test_the_command_is_installed() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="lrft")
    assert entry.value == "lrft_command:main"
    assert callable(entry.load())


def test_public_names_resolve() -> None:
    assert [name for name in lrft.__all__ if not hasattr(lrft, name)] == []
    assert set(lrft.__all__) <= set(dir(lrft))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        lrft.no_such_name  # noqa: B018


def test_no_module_hides_a_public_name() -> None:
    """Importing ``lrft.x`` sets the attribute x of the package: x must not be a function's name."""
    modules = {module.name for module in pkgutil.iter_modules(lrft.__path__)}
    public = {name for name in lrft.__all__ if not inspect.ismodule(getattr(lrft, name))}
    assert modules & public == set()
    assert "plot" in modules  # the check sees the package's modules
