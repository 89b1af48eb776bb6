"""`lrft reproduce`: every experiment computes, draws and judges; files, report, interruption."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import time
import warnings
from collections import Counter
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xarray as xr
from experiments import give, tiny

import lrft
from lrft.cli import main
from lrft.paper import registry, runner
from lrft.paper.ahead import Ahead
from lrft.paper.experiment import Context, Reproduction, Verdict
from lrft.paper.report import baseline

pytestmark = pytest.mark.any_set

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
OUTCOMES = {"supported", "not supported", "not decided"}
FIGURES = [name for name in registry.names() if name.startswith("fig")]
PANELS = {f"fig{n}{p}" for n in range(2, 7) for p in "ab"}  # Fig. 1 prints 4b and 6a again


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """The whole registry, at sizes that prove nothing, on two threads."""
    out = tmp_path_factory.mktemp("report")
    return lrft.reproduce(registry.GROUPS, out=out, quick=True, threads=2)


def test_all_panels_of_the_paper_are_there() -> None:
    assert set(FIGURES) == PANELS
    for again, name in (("fig1a", "fig4b"), ("fig1b", "fig6a")):
        (one,) = registry.experiments(again)
        assert one.name == name
        assert f"Fig. {again[3:]} too" in one.title


def test_every_experiment_computes_draws_and_judges(done: Reproduction) -> None:
    assert [one.experiment.name for one in done.finished] == registry.names()
    for one in done.finished:
        assert one.error == "", one.experiment.name
        assert one.verdicts, one.experiment.name
        assert {verdict.outcome for verdict in one.verdicts} <= OUTCOMES
        assert all(v.needs for v in one.verdicts if v.outcome == "not decided"), one.experiment.name
        about = one.experiment
        assert min(map(len, (about.title, about.shows, about.settings))) > 10, about.name


def stems(name: str) -> list[str]:
    """Names of the pictures of an experiment, without suffix."""
    panels = {"claim1": "abc", "claim6": "abc", "claim7": "abcd"}
    panels |= dict.fromkeys(("claim2", "claim4", "joint", "ranks"), "ab")
    panels["conditions"] = "abc"
    return [name + letter for letter in panels[name]] if name in panels else [name]


def test_files_of_every_experiment(done: Reproduction) -> None:
    for one in done.finished:
        name = one.experiment.name
        assert all(path.is_file() for path in one.files)
        assert {f"{name}.nc", f"{name}.csv"} <= {path.name for path in one.files}
        images = [path for path in one.files if path.suffix == ".png"]
        drawings = [path for path in one.files if path.suffix == ".svg"]
        assert [path.stem for path in images] == [path.stem for path in drawings] == stems(name)
        for path in images:
            assert path.read_bytes().startswith(b"\x89PNG")
            assert b"lrft reproduce " + name.encode() in path.read_bytes()
        for path in drawings:
            ElementTree.parse(path)
        with xr.open_dataset(done.out / f"{name}.nc", engine="h5netcdf") as saved:
            assert set(saved.data_vars) == set(one.data.data_vars)  # type: ignore[union-attr]
        assert len((done.out / f"{name}.csv").read_text(encoding="utf-8").splitlines()) > 2
    assert not [path.name for path in done.out.iterdir() if path.name.startswith(".")]


def test_verdicts_are_saved(done: Reproduction) -> None:
    table = json.loads((done.out / "verdicts.json").read_text(encoding="utf-8"))
    assert [(row["experiment"], row["outcome"]) for row in table] == [
        (name, verdict.outcome) for name, verdict in done.verdicts
    ]


@pytest.mark.parametrize("name", ["fig3a", "fig4b", "fig5a", "fig6a", "conventions4b", "joint"])
def test_same_bits_with_one_thread(done: Reproduction, name: str) -> None:
    first = next(one for one in done.finished if one.experiment.name == name)
    (experiment,) = registry.experiments(name)
    again = experiment.run(Context(quick=True, threads=1))
    assert first.data is not None
    xr.testing.assert_identical(again.drop_attrs(), first.data.drop_attrs())


def test_instances_differ(done: Reproduction) -> None:
    for one in done.finished:
        if one.experiment.name in PANELS:
            assert one.data is not None
            last = one.data.overlap_u.isel(curve=0, step=-1).values
            assert len(set(last.tolist())) == len(last), one.experiment.name


# ---- the report ---------------------------------------------------------------------------------


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.tags: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for key, value in attrs:
            if key == "id":
                self.ids[value or ""] += 1
            if key in ("href", "src", "xlink:href", "srcset", "action") and value:
                self.links.append(value)


def test_the_report_is_one_file_that_asks_nothing_of_the_net(done: Reproduction) -> None:
    text = done.report.read_text(encoding="utf-8")
    assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)
    assert "@import" not in text
    page = _Page(text)
    assert page.tags["script"] == page.tags["iframe"] == page.tags["img"] == 0
    assert {name: n for name, n in page.ids.items() if n > 1} == {}
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids, link
        elif link != "data:,":
            assert (done.out / link).is_file(), link
    for reference in re.findall(r"url\(#([^)]+)\)", text):
        assert reference in page.ids


def test_the_report_shows_every_experiment(done: Reproduction) -> None:
    text = done.report.read_text(encoding="utf-8")
    assert text.count("<svg") == sum(len(stems(one.experiment.name)) for one in done.finished)
    for one in done.finished:
        assert f"lrft reproduce {one.experiment.name} --quick" in text
    assert "smoke run" in text
    assert "prefers-color-scheme: dark" in text
    # Colours of ink, grid and paper are the page's in every picture.
    body = text[text.index("<svg") :]
    assert not re.findall(r"#(?:1b1f24|57606a|e4e4e4|ffffff|0072b2)", body, re.IGNORECASE)


def test_every_statement_is_counted_once_and_those_that_fail_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = ["supported", "not decided", "not supported", "supported"]
    verdicts = [Verdict(f"statement {i} at d^(1/4)", "1", o) for i, o in enumerate(outcomes)]  # type: ignore[arg-type]
    give(monkeypatch, replace(tiny("fig9a"), judge=lambda data: verdicts))
    text = lrft.reproduce("fig9a", out=tmp_path).report.read_text(encoding="utf-8")
    assert re.findall(r"statement (\d) at d<sup>1/4</sup>", text) == ["2", "1", "0", "3"]
    assert re.findall(r"<b>(. \d)</b>", text) == ["✗ 1", "? 1", "✓ 2"]
    assert _Page(text).links[1:4] == ["#fig9a-no", "#fig9a-open", "#fig9a-yes"]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_the_report_in_a_browser(done: Reproduction) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(done.report.as_uri())
        others = "section:not([id^=fig], [id^=claim], #provenance)"  # than those of `all`
        page.add_style_tag(content=others + " { display: none }")
        assert page.evaluate("document.documentElement.scrollHeight") < 12_400
        contents = page.get_by_role("navigation").bounding_box()
        assert contents["y"] + contents["height"] < 900
        rows = page.locator("details[open]")
        assert rows.count() == 0
        page.locator(".tile a").first.click()  # opens the first statement that does not hold
        assert rows.count() == 1
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        panels = [one.bounding_box() for one in page.locator("figure svg:visible").all()]
        assert min(panel["width"] for panel in panels) > 330  # of 331 points at most: as printed
        browser.close()


def test_text_from_experiments_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Verdict("a < b & c", '"x"', "supported", "<script>")
    give(monkeypatch, replace(tiny("fig9a"), title="<b>", judge=lambda data: [verdict]))
    text = lrft.reproduce("fig9a", out=tmp_path).report.read_text(encoding="utf-8")
    assert "a &lt; b &amp; c" in text
    assert "<script" not in text
    assert "<b>:" not in text


def test_baseline_time_is_that_of_the_steps(done: Reproduction) -> None:
    rows = {(row["d"], row["k"]): row["ns"] for row in baseline.measured()["rows"]}
    data = xr.Dataset(
        {"stop_step": (("curve", "instance"), [[1_000_000, 3_000_000]])},
        coords={"d": ("curve", [2000]), "k": ("curve", [50])},
    )
    loop = baseline.loop(data)
    assert loop is not None
    assert loop.steps == 4_000_000
    assert loop.seconds == pytest.approx(4e-3 * rows[2000, 50])
    assert baseline.loop(data.assign_coords(d=("curve", [2001]))) is None
    assert baseline.loop(data.drop_vars("stop_step")) is None


# ---- side by side -------------------------------------------------------------------------------


def test_interruption_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(context: Context) -> xr.Dataset:
        while not (tmp_path / "fig9a.nc").is_file():  # computed beside it
            time.sleep(0.01)
        raise KeyboardInterrupt

    give(monkeypatch, tiny("fig9a"), replace(tiny("fig9b"), run=stop))
    with pytest.raises(lrft.Interrupted) as caught:
        lrft.reproduce("all", out=tmp_path)
    done = caught.value.result
    assert done.interrupted
    assert [one.experiment.name for one in done.finished] == ["fig9a"]
    assert (tmp_path / "fig9a.nc").is_file()
    assert "Interrupted" in done.report.read_text(encoding="utf-8")


def test_two_are_computed_at_a_time_and_drawn_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = threading.Event()

    def long(context: Context) -> xr.Dataset:
        assert drawn.wait(60)
        return tiny("").run(context)

    def draw(data: xr.Dataset) -> Any:
        drawn.set()
        return tiny("").draw(data)

    give(monkeypatch, replace(tiny("fig9a"), run=long), replace(tiny("fig9b"), draw=draw))
    done = lrft.reproduce("all", out=tmp_path, threads=2)
    assert [(one.experiment.name, one.error) for one in done.finished] == [
        ("fig9a", ""),
        ("fig9b", ""),
    ]


def test_rates_that_are_tried_on_purpose_are_not_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wild(context: Context) -> xr.Dataset:
        lrft.simulate(lrft.Task.sample(d=100, k=2), lrft.Training(lr=10.0, steps=2))
        return tiny("").run(context)

    give(monkeypatch, replace(tiny("fig9a"), run=wild))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        done = lrft.reproduce("all", out=tmp_path, threads=2)
    assert [one.error for one in done.finished] == [""]
    assert not [one for one in seen if issubclass(one.category, lrft.RateWarning)]


def test_ctrl_c_leaves_what_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []

    def long(context: Context) -> xr.Dataset:
        try:
            while True:
                context.progress(0.5)
                time.sleep(0.01)
        finally:
            left.append(threading.current_thread() is not threading.main_thread())

    def stop(name: str, fraction: float) -> None:
        if name == "fig9a" and fraction == 1.0:
            signal.raise_signal(signal.SIGINT)

    give(monkeypatch, tiny("fig9a"), replace(tiny("fig9b"), run=long))
    done = lrft.reproduce("all", out=tmp_path, threads=2, progress=stop, on_interrupt="return")
    assert done.interrupted
    assert [one.experiment.name for one in done.finished] == ["fig9a"]
    assert left == [True]


def test_a_failure_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(data: xr.Dataset) -> list[Verdict]:
        raise RuntimeError("no such thing")

    give(monkeypatch, replace(tiny("fig9a"), judge=fail), tiny("fig9b"))
    done = lrft.reproduce("all", out=tmp_path)
    assert [bool(one.error) for one in done.finished] == [True, False]
    assert "no such thing" in done.report.read_text(encoding="utf-8")
    assert "RuntimeError" in capsys.readouterr().err


def test_verdicts_do_not_need_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(data: xr.Dataset) -> Any:
        raise RuntimeError("no pen")

    give(monkeypatch, replace(tiny("fig9a"), draw=fail))
    done = lrft.reproduce("all", out=tmp_path)
    (one,) = done.finished
    assert [v.outcome for v in one.verdicts] == ["supported"]
    assert (one.error, one.no_picture) == ("", "RuntimeError: no pen")
    assert "No picture: RuntimeError: no pen" in done.report.read_text(encoding="utf-8")
    assert capsys.readouterr().err == "lrft: no picture of fig9a: RuntimeError: no pen\n"


def test_resume_takes_only_data_of_this_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(value: float, **options: Any) -> float:
        give(monkeypatch, tiny("fig9a", value))
        (one,) = lrft.reproduce("fig9a", out=tmp_path, **options).finished
        assert one.data is not None
        return float(one.data.y[0])

    assert report(1.0) == 1.0
    assert report(5.0, resume=True) == 1.0
    assert report(5.0, resume=True, quick=True) == 5.0
    assert report(7.0) == 7.0
    monkeypatch.setattr(runner, "fingerprint", lambda: "other code")
    assert report(9.0, resume=True) == 9.0


def test_shared_data_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    one = tiny("fig9a")

    def run(context: Context) -> xr.Dataset:
        calls.append(1)
        return one.run(context)

    give(monkeypatch, replace(one, run=run), replace(one, run=run, name="fig9b"))
    told: list[tuple[str, float]] = []
    lrft.reproduce("all", out=tmp_path, progress=lambda name, share: told.append((name, share)))
    assert len(calls) == 1
    assert {name for name, _ in told} == {"fig9a", "fig9b"}
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[-1] == ("fig9b", 1.0)


def test_panels_of_one_figure_share_their_data() -> None:
    runs = {e.name: e.run for e in registry.experiments("figures")}
    for pair in (("fig2a", "fig2b"), ("fig3a", "fig3b"), ("fig5a", "fig5b"), ("fig6a", "fig6b")):
        assert runs[pair[0]] is runs[pair[1]]


# ---- names and the command line ----


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("fig2a", ["fig2a"]),
        ("fig6", ["fig6a", "fig6b"]),
        ("fig1", ["fig4b", "fig6a"]),
        (["fig1a", "fig4b"], ["fig4b"]),
        (["fig3b", "fig2", "fig3b"], ["fig2a", "fig2b", "fig3b"]),
        ("figures", sorted(PANELS)),
        (["joint", "conventions4b"], ["conventions4b", "joint"]),
    ],
)
def test_names(wanted: Any, found: list[str]) -> None:
    assert [experiment.name for experiment in registry.experiments(wanted)] == found


@pytest.mark.parametrize("wanted", ["fig7", "fig", "claim", "claim99", "conventions7", "", []])
def test_unknown_names(wanted: Any) -> None:
    with pytest.raises(ValueError, match="names must"):
        registry.experiments(wanted)


def _main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert _main("reproduce", "fig2b", "--quick", "--out", str(tmp_path), "--threads", "1") == 0
    printed = capsys.readouterr()
    assert "Fig. 2b" in printed.out
    assert "smoke run" in printed.out
    assert "report.html" in printed.out
    assert printed.err == "fig2b done\n"


def test_exit_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _main("reproduce", "fig7", "--out", str(tmp_path)) == 2
    (tmp_path / "file").touch()
    assert _main("reproduce", "fig2a", "--quick", "--out", str(tmp_path / "file")) == 2

    def raising(error: BaseException) -> Any:
        def run(context: Context) -> xr.Dataset:
            raise error

        return replace(tiny("fig9a"), run=run)

    give(monkeypatch, raising(RuntimeError("x")))
    assert _main("reproduce", "all", "--out", str(tmp_path)) == 1
    give(monkeypatch, raising(KeyboardInterrupt()))
    assert _main("reproduce", "all", "--out", str(tmp_path)) == 130


def test_what_takes_longest_begins_first() -> None:
    begun: list[str] = []

    def run(context: Context, name: str) -> xr.Dataset:
        begun.append(name)
        return xr.Dataset()

    given = ("fig2a", "fig4b", "fig9a", "claim1")
    experiments = [replace(tiny(name), run=partial(run, name=name)) for name in given]
    ahead = Ahead(experiments, quick=True, threads=1)
    while ahead.left:
        ahead.wait(lambda name, share: None)
        assert all(future.exception() is None for _, future in ahead.done())
    assert begun == ["claim1", "fig4b", "fig2a", "fig9a"]
