"""Labelled datasets of results, their NetCDF files, and quantiles of hitting steps."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import lrft
from lrft.result import provenance
from lrft.result.dataset import assemble, hit_quantile
from lrft.result.variables import STATISTICS

ATTRS = {"seed": 7, "engine": "reduced", "threads": 2}


def task(**changes: Any) -> lrft.Task:
    return lrft.Task.sample(**{"d": 40, "k": 3, "seed": 1} | changes)


def training(**changes: Any) -> lrft.Training:
    return lrft.Training(**{"lr": 0.01, "steps": 100, "record": 5} | changes)


def raw(tasks: int = 1, replicas: int = 3, losses: int = 2) -> dict[str, Any]:
    """What the engine hands over, with every kind of end and value in it."""
    rng = np.random.default_rng(0)
    shape = (tasks, replicas)
    overlap = rng.uniform(-1, 1, (*shape, 5))
    overlap[..., -1, 3:] = np.nan
    status = np.full(shape, "finished", dtype="U11")
    status[..., 0] = "converged"
    status[..., -1] = "diverged"
    recorded = {name: np.abs(overlap) * 1e-300 for name in STATISTICS}
    recorded |= {"overlap_u": overlap, "overlap_c": overlap**2}
    return {
        "step": np.array([0, 25, 50, 75, 100]),
        **recorded,
        **{f"final_{name}": values[..., 0] for name, values in recorded.items()},
        "thresholds": np.array([0.1, 0.9]),
        "hit_step": rng.integers(-1, 100, (*shape, 2)),
        "loss_thresholds": np.linspace(0.1, 0.5, losses),
        "loss_hit_step": rng.integers(-1, 100, (*shape, losses)),
        "status": status,
        "stop_step": rng.integers(50, 101, shape),
    }


def dataset(**changes: Any) -> xr.Dataset:
    given = raw() | changes
    for name in STATISTICS:
        if given[name].ndim > 2 and f"final_{name}" not in changes:
            given[f"final_{name}"] = given[name][:, :, 0]
    return assemble(task(), training(), given, ATTRS)


def test_one_task_drops_the_task_dimension_and_a_list_keeps_it() -> None:
    one = dataset()
    listed = assemble([task()], training(), raw(), ATTRS)
    several = assemble([task(), task(xi=2.0)], training(), raw(tasks=2), ATTRS)
    assert one.overlap_u.dims == ("replica", "step")
    assert listed.overlap_u.dims == several.overlap_u.dims == ("task", "replica", "step")
    assert several.xi.values.tolist() == [task().xi, 2.0]
    xr.testing.assert_equal(one, listed.isel(task=0))


def test_values_arrive_where_they_belong() -> None:
    given = raw()
    ds = assemble(task(), training(), given, ATTRS)
    for name in ds.data_vars:
        np.testing.assert_array_equal(ds[name].values, given[name][0], err_msg=name)
    assert ds.step.dtype == np.int64
    assert ds.hit_step.sel(threshold=0.9, replica=1) == given["hit_step"][0, 1, 1]
    assert ds.task_hash.item() == task().content_hash


def test_everything_says_what_it_is() -> None:
    ds = dataset()
    for name, variable in ds.variables.items():
        assert variable.attrs["long_name"], name
        assert variable.attrs["definition"], name
        assert ("units" in variable.attrs) == (variable.dtype.kind != "U"), name
    for name in ("hit_step", "loss_hit_step"):
        assert "-1: censored" in ds[name].attrs["definition"]
        assert "stop_step" in ds[name].attrs["definition"]


def test_provenance_is_complete_and_flat() -> None:
    ds = assemble(task(), training(), raw(), ATTRS | {"interrupted": 1})
    for name, value in ds.attrs.items():
        assert isinstance(value, str | int | float), name
    assert ds.attrs["seed"] == 7
    assert ds.attrs["interrupted"] == 1
    assert ds.attrs["schema_version"] == provenance.SCHEMA_VERSION
    assert ds.attrs["numpy_version"] == np.__version__
    found = json.loads(ds.attrs["configuration"])
    assert found["tasks"][0]["content_hash"] == task().content_hash
    assert found["replicas"] == 3
    assert lrft.Training.model_validate(found["training"]) == training()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("overlap_u", np.zeros((1, 3, 4))),
        ("loss", np.zeros((1, 2, 5))),
        ("final_loss", np.zeros((1, 2))),
        ("final_overlap_u", np.zeros((1, 3, 1, 1, 1))),
        ("hit_step", np.zeros((1, 3, 3), dtype=np.int64)),
        ("stop_step", np.zeros((3,), dtype=np.int64)),
        ("status", np.full((2, 3), "finished")),
        ("loss", np.zeros((1, 3, 5, 1))),
        ("overlap_u", np.zeros((1, 3, 5, 1, 1, 1))),
    ],
)
def test_shapes_that_do_not_fit_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"raw\['{name}'\] has shape"):
        dataset(**{name: value})


def test_overlaps_may_have_more_than_one_number_a_step() -> None:
    ds = dataset(overlap_u=np.zeros((1, 3, 5, 2)))
    assert ds.overlap_u.dims == ("replica", "step", "component")
    assert ds.final_overlap_u.dims == ("replica", "component")


@pytest.mark.parametrize("losses", [0, 2])
@pytest.mark.parametrize("tasks", [0, 1, 3], ids=["one", "list of one", "list of three"])
def test_file_round_trip_is_exact(tmp_path: Path, tasks: int, losses: int) -> None:
    count = max(1, tasks)
    given = [task(xi=1.0 + i, activation="he3" if i else "relu") for i in range(count)]
    ds = assemble(given if tasks else given[0], training(), raw(count, losses=losses), ATTRS)
    ds.attrs |= {
        "command": "lrft run --name 'ξ û'",
        "long": "x" * 200_000,
        "rate": 0.1,
        "empty": "",
    }
    lrft.save(ds, tmp_path / "run.nc")
    back = lrft.load(tmp_path / "run.nc")
    assert back.identical(ds)
    assert {k: type(v) for k, v in back.attrs.items()} == {k: type(v) for k, v in ds.attrs.items()}
    for name, variable in ds.variables.items():
        assert back[name].dtype == variable.dtype, name
        assert back[name].dims == variable.dims, name
        if variable.dtype.kind == "f":  # nan and the sign of zero included
            assert back[name].values.tobytes() == variable.values.tobytes(), name
    lrft.save(back, tmp_path / "again.nc")
    assert lrft.load(tmp_path / "again.nc").identical(ds)


def test_saving_replaces_whole_files_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.nc"
    path.write_text("old")
    ds = dataset()

    def fail(self: Path, data: Any) -> None:
        self.write_text("half a file")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space left"):
            lrft.save(ds, path)
    assert path.read_text() == "old"
    lrft.save(ds, path)
    assert lrft.load(path).identical(ds)
    assert [each.name for each in tmp_path.iterdir()] == ["run.nc"]
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def _foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)


def _newer(path: Path) -> None:
    lrft.save(dataset(), path)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = 99


def _odd_version(path: Path) -> None:
    lrft.save(dataset(), path)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = "one"


def _truncated(path: Path) -> None:
    lrft.save(dataset(), path)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: path.write_bytes(b""), "not a readable NetCDF"),
        (lambda path: path.write_text("hello"), "not a readable NetCDF"),
        (_truncated, "not a readable NetCDF"),
        (_foreign, "not a result of lrft"),
        (_odd_version, "not a result of lrft"),
        (_newer, "layout version 99 is newer"),
    ],
)
def test_wrong_files_are_refused_with_the_reason(tmp_path: Path, make: Any, reason: str) -> None:
    path = tmp_path / "file.nc"
    make(path)
    with pytest.raises(ValueError, match=reason) as caught:
        lrft.load(path)
    assert "file.nc" in str(caught.value)


FULL = """
import resource, sys, numpy as np, lrft
ds = lrft.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    lrft.save(ds.assign(more=("n", np.random.default_rng(0).random(100_000))), sys.argv[1])
except OSError as error:
    sys.exit(f"OSError: {error.errno}")
"""


def test_file_that_cannot_grow_leaves_the_old_one(tmp_path: Path) -> None:
    """The limit stands for a full disk; the interpreter ends well after it."""
    path = tmp_path / "run.nc"
    lrft.save(dataset(), path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "OSError: 27\n")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.nc"]


def test_files_of_layout_1_load_without_final_values(tmp_path: Path) -> None:
    old = dataset().drop_vars(["final_overlap_u", "final_overlap_c", "final_loss"])
    with pytest.raises(ValueError, match="lacks final_overlap_u, final_overlap_c, final_loss"):
        lrft.save(old, tmp_path / "old.nc")
    old.attrs["schema_version"] = 1
    lrft.save(old, tmp_path / "old.nc")
    back = lrft.load(tmp_path / "old.nc")
    assert back.identical(old)
    assert lrft.held(back).overlap_u.dims == old.overlap_u.dims
    assert "final_loss" not in lrft.to_pandas(back, "ends")


def test_saving_refuses_what_is_no_result_and_places_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a result of lrft"):
        lrft.save(xr.Dataset({"x": ("i", [1.0])}), tmp_path / "x.nc")
    with pytest.raises(ValueError, match="does not exist"):
        lrft.save(dataset(), tmp_path / "missing" / "x.nc")
    with pytest.raises(ValueError, match="is a folder"):
        lrft.save(dataset(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def hits(hit: list[int], stop: list[int], status: list[str] | None = None) -> xr.Dataset:
    n = len(hit)
    return dataset(
        **{name: np.zeros((1, n, 5)) for name in STATISTICS},
        thresholds=np.array([0.9]),
        hit_step=np.array(hit).reshape(1, n, 1),
        loss_hit_step=np.array(hit).reshape(1, n, 1),
        loss_thresholds=np.array([0.1]),
        status=np.array([status or ["finished"] * n]),
        stop_step=np.array([stop]),
    )


@pytest.mark.parametrize(
    ("hit", "stop", "status", "p", "expected"),
    [
        ([30, 10, 20], [99] * 3, None, 0.5, 20.0),  # nothing censored: order statistics
        ([30, 10, 20, 40], [99] * 4, None, 0.5, 20.0),
        ([30, 10, 20, 40], [99] * 4, None, 0.1, 10.0),
        ([30, 10, 20, 40], [99] * 4, None, 0.9, 40.0),
        ([10, -1, -1], [99, 99, 99], None, 0.5, np.inf),  # dropping the censored would say 10
        # Censored at 15 while two hit: survival 3/4 at 10, then 3/4 * 1/2 at 20.
        ([10, 20, -1, -1], [99, 99, 15, 99], None, 0.5, 20.0),
        ([10, 20, -1, -1], [99, 99, 15, 99], None, 0.7, np.inf),
        ([10, -1, -1], [99, 5, 5], ["finished", "interrupted", "interrupted"], 0.5, 10.0),
        ([10, -1, -1], [99, 5, 5], ["finished", "diverged", "diverged"], 0.5, np.inf),
        ([0, 0, -1], [99, 99, 99], None, 0.5, 0.0),
    ],
)
def test_quantiles_count_censored_replicas(
    hit: list[int], stop: list[int], status: list[str] | None, p: float, expected: float
) -> None:
    ds = hits(hit, stop, status)
    assert hit_quantile(ds, p).dims == ("threshold",)
    assert hit_quantile(ds, p).item() == expected
    assert hit_quantile(ds, p, "loss_hit_step").item() == expected


@pytest.mark.parametrize(("p", "name"), [(0.0, "hit_step"), (1.0, "hit_step"), (0.5, "loss")])
def test_quantile_arguments_are_checked(p: float, name: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        hit_quantile(hits([1], [9]), p, name)
