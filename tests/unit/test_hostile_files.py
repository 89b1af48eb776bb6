"""Files that are larger than they look, lead elsewhere, or write to the terminal."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import lrft
from lrft.base import foreign, netcdf

pytestmark = pytest.mark.any_set


# ---- safetensors ------------------------------------------------------------------------------


def tensors(path: Path, kind: str, data: bytes) -> Path:
    """A base network whose W (3, 2) has numbers of a kind."""
    header = {
        "W": {"dtype": kind, "shape": [3, 2], "data_offsets": [0, len(data)]},
        "lam": {"dtype": "F32", "shape": [3], "data_offsets": [len(data), len(data) + 12]},
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data + np.ones(3, "<f4").tobytes())
    return path


def test_bfloat16_is_taken_exactly(tmp_path: Path) -> None:
    exact = np.array([[1.0, -2.5], [2.0**-126, 3.0e38], [0.0, -0.0]], dtype="<f4")
    halves = (exact.view("<u4") >> 16).astype("<u2")
    found = lrft.load_weights(tensors(tmp_path / "b.safetensors", "BF16", halves.tobytes())).W
    expected = (halves.astype("<u4") << 16).view("<f4").astype(float)
    assert found.tobytes() == expected.tobytes()
    assert np.abs(found - exact).max() <= 2.0**-7 * 3.0e38


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2"])
def test_float8_is_refused_with_its_name(refused: Any, tmp_path: Path, kind: str) -> None:
    path = tensors(tmp_path / "f.safetensors", kind, b"\x38" * 6)
    refused(lambda: lrft.load_weights(path), ValueError, f"'W' has numbers of type {kind}.*float32")


# ---- archives -----------------------------------------------------------------------------------


def peak() -> float:
    """MiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def test_archive_that_unpacks_to_far_more_is_refused(refused: Any, tmp_path: Path) -> None:
    path, size = tmp_path / "bomb.npz", 2**29
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("W.npy", "w") as W:
        np.lib.format.write_array_header_1_0(
            W, {"descr": "<f8", "fortran_order": False, "shape": (8, size // 64)}
        )
        for _ in range(size // 2**20):
            W.write(bytes(2**20))
    before = peak()
    refused(lambda: lrft.load_weights(path), ValueError, "512 MiB out of a file of .* bytes")
    assert peak() - before < 200.0
    # Small ones may shrink as they like.
    np.savez_compressed(tmp_path / "small.npz", W=np.zeros((1000, 1000)), lam=np.ones(1000))
    assert lrft.load_weights(tmp_path / "small.npz").W.shape == (1000, 1000)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"descr": "<f8", "shape": (2**40, 3)}, "another size than its shape"),
        ({"descr": "<f8", "shape": (1, 3)}, "another size than its shape"),
        ({"descr": "|O", "shape": (2, 3)}, "Python objects"),
        ({"descr": [("a", "<f8")], "shape": (2, 3)}, "Python objects or records"),
        ({"descr": "<f8", "shape": (-2, -3)}, "has shape"),
        ({"descr": "(" * 3000, "shape": (2, 3)}, "base.npz"),
    ],
)
def test_array_that_is_not_what_it_says_is_refused(
    refused: Any, tmp_path: Path, header: Any, reason: str
) -> None:
    path = tmp_path / "base.npz"
    for about in ({"descr": "<f8", "shape": (2, 3)}, header):
        entry = io.BytesIO()
        np.lib.format.write_array_header_1_0(entry, {"fortran_order": False} | about)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("W.npy", entry.getvalue() + np.eye(2, 3).tobytes())
            lam = io.BytesIO()
            np.save(lam, np.ones(2))
            file.writestr("lam.npy", lam.getvalue())
        if about is not header:
            assert lrft.load_weights(path).W.shape == (2, 3)  # the control
    refused(lambda: lrft.load_weights(path), ValueError, reason)


# ---- NetCDF -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> bytes:
    task = lrft.Task.sample(d=30, k=2)
    ds = lrft.simulate(task, lrft.Training(lr=0.01, steps=20, record=5), replicas=2)
    return bytes(ds.to_netcdf(engine="h5netcdf"))


def external(file: h5py.File) -> None:
    del file["loss"]
    file.create_dataset("loss", (2, 5), "f8", external=[("/etc/passwd", 0, 80)])


def virtual(file: h5py.File) -> None:
    del file["loss"]
    layout = h5py.VirtualLayout((2, 5), "f8")
    layout[:] = h5py.VirtualSource("other.nc", "loss", (2, 5))
    file.create_virtual_dataset("loss", layout)


def linked(link: Any) -> Any:
    def change(file: h5py.File) -> None:
        del file["loss"]
        file["loss"] = link

    return change


def unwritten(file: h5py.File) -> None:
    del file["loss"]
    file.create_dataset("loss", (2**20, 2**30), "f8", chunks=(1024, 1024))


def one_long_text(file: h5py.File) -> None:
    del file["status"]
    texts = np.array(["x" * 10**6, *["a"] * 10**5], dtype=object)
    file.create_dataset("status", data=texts, dtype=h5py.string_dtype())


def circle(file: h5py.File) -> None:
    file["circle"] = file["/"]


NETCDF = {
    "external storage": (external, "'loss' is kept in another file"),
    "virtual": (virtual, "'loss' is kept in another file"),
    "external link": (linked(h5py.ExternalLink("other.nc", "loss")), "is a link"),
    "soft link": (linked(h5py.SoftLink("/overlap_u")), "is a link"),
    "petabytes of nothing": (unwritten, "MiB out of a file"),
    "a long text": (one_long_text, "MiB out of a file"),
    "a circle": (circle, "'circle' is a group"),
}


@pytest.mark.parametrize("name", NETCDF)
def test_result_that_leads_elsewhere_or_explodes_is_refused(
    refused: Any, tmp_path: Path, result: bytes, name: str
) -> None:
    change, reason = NETCDF[name]
    path = tmp_path / "run.nc"
    path.write_bytes(netcdf.sealed(result))
    assert lrft.load(path).loss.shape == (2, 5)  # the control
    file = io.BytesIO(result)
    with h5py.File(file, "r+") as opened:
        change(opened)
    before = peak()
    path.write_bytes(netcdf.sealed(file.getvalue()))
    refused(lambda: lrft.load(path), ValueError, f"run.nc.*{reason}")
    assert peak() - before < 300.0


def test_every_bit_of_a_result_is_watched(tmp_path: Path, result: bytes) -> None:
    path = tmp_path / "run.nc"
    sealed = netcdf.sealed(result)
    rng = np.random.default_rng(0)
    for position in [*rng.integers(len(sealed), size=40), len(result), len(sealed) - 1]:
        edited = bytearray(sealed)
        edited[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(edited)
        with pytest.raises(ValueError, match="digest"):
            lrft.load(path)
    path.write_bytes(result)
    with pytest.raises(ValueError, match=r"it has no digest at its end.*lrft.save writes it anew"):
        lrft.load(path)


def test_other_programs_read_what_is_sealed(tmp_path: Path, result: bytes) -> None:
    import xarray as xr

    path = tmp_path / "run.nc"
    path.write_bytes(netcdf.sealed(result))
    with xr.open_dataset(path, engine="h5netcdf") as ds:
        lrft.save(ds.load(), tmp_path / "again.nc")
    assert lrft.load(tmp_path / "again.nc").loss.equals(lrft.load(path).loss)


# ---- text ---------------------------------------------------------------------------------------


def test_text_is_printed_without_its_control_characters(cli: Any, folder: Path) -> None:
    name = "\x1b]0;title\x07\x1b[2J\u202e.nc"
    code, out, err = cli("plot", name)
    assert code == 2
    assert not set("\x1b\x07\u202e") & set(out + err)
    assert r"\x1b[2J" in err
    assert foreign.printable("Größe ξ\n\tσ") == "Größe ξ\n\tσ"


@pytest.mark.parametrize(
    ("variable", "code", "reason"),
    [("bogus", 2, "lrft: LRFT_ISA='bogus' is not the name"), ("", 0, "")],
)
def test_command_says_why_it_cannot_start(variable: str, code: int, reason: str) -> None:
    command = Path(sys.executable).with_name("lrft")
    for words in ([str(command)], [sys.executable, "-m", "lrft_command"]):
        done = subprocess.run(
            [*words, "info"],
            env=os.environ | {"LRFT_ISA": variable},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code
        assert done.stderr.startswith(reason)
        assert done.stderr.count("\n") == (code != 0)


def test_source_tree_says_that_it_is_not_built(tmp_path: Path) -> None:
    package = Path(lrft.__file__).parent
    for file in package.rglob("*.py"):
        copy = tmp_path / "lrft" / file.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path = [{str(tmp_path)!r}, *sys.path]; import lrft",
        ],
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1].startswith("ImportError: lrft is not built in")
    assert "pip install ." in done.stderr.splitlines()[-1]
