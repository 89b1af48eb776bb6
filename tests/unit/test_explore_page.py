"""The explorer's page in a browser, and who may see it."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bokeh", reason="bokeh is not installed")

pytestmark = pytest.mark.any_set

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """The command, and the address it prints."""
    folder = tmp_path_factory.mktemp("explore")
    command = [sys.executable, "-m", "lrft.cli", "explore", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def refused(request: Any) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    caught.value.close()
    return caught.value.code


def test_there_is_no_page_without_the_token_or_for_another_origin(program: Any) -> None:
    address = program[0]
    assert re.match(r"http://127\.0\.0\.1:\d+/\?bokeh-session-id=\w+\.", address)
    place, token = address.split("?")
    assert refused(place) == 403
    assert refused(f"{place}?{token[:-5]}AAAAA") == 403
    with urllib.request.urlopen(address, timeout=60) as answer:
        page = answer.read().decode()
    assert "cdn.bokeh.org" not in page
    assert re.findall(r'(?:src|href)="(?!static/|/static/)[^"]*"', page) == []
    assert websocket(place, "http://example.org") == 403
    assert websocket(place, place.rstrip("/")) == 101


def websocket(place: str, origin: str) -> int:
    """Status of the answer to a page of this origin that wants to talk to the server."""
    connection = http.client.HTTPConnection(place.split("/")[2], timeout=60)
    headers = {
        "Origin": origin,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "bokeh, e30",
    }
    connection.request("GET", "/ws", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_sliders_pins_copies_and_the_end_in_a_browser(program: Any) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    address, process = program
    origin = address.split("?")[0]
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": 390, "height": 900},
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(60_000)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        last = """() => {
          const models = [...(Bokeh.documents[0]?._all_models.values() ?? [])];
          const sources = models.filter(m => m.type == "ColumnDataSource").map(m => m.data);
          const thin = sources.filter(data => data.y?.length == 16);
          return thin.length == 2 && thin.map(data => data.y.map(row => row.at(-1))).join();
        }"""
        page.wait_for_function(last)
        text = page.locator("textarea")
        page.get_by_text("100,000 of 100,000").wait_for()
        before = page.evaluate(last)
        page.get_by_role("button", name="pin", exact=True).click()
        page.get_by_text("pinned: the same").wait_for()
        slider = page.get_by_role("slider").nth(2)  # of k
        slider.focus()
        slider.press("ArrowRight")
        page.get_by_text("pinned: k = 8").wait_for()
        changed = f"before => {{ const now = {last}; return now() != before }}"
        page.wait_for_function(changed, arg=before)
        page.get_by_role("button", name="TOML").click()
        api.expect(text).to_have_value(re.compile(r"k = 9"), timeout=60_000)
        recipe = tomllib.loads(text.input_value())
        assert recipe["task"]["k"] == 9
        page.get_by_role("button", name="copy").click()
        held = "text => navigator.clipboard.readText().then(found => found == text)"
        page.wait_for_function(held, arg=text.input_value())
        # At d = 10^7 there is work for a minute: closing the page must end it.
        slider = page.get_by_role("slider").nth(1)
        slider.focus()
        slider.press("End")
        page.get_by_text("of 1,000,000,000").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.close()
        browser.close()
    assert [url for url in asked if not url.startswith((origin, "data:", "blob:"))] == []
    assert still(process.pid)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said


def still(pid: int) -> bool:
    """Whether a process comes to rest."""
    for _ in range(300):
        ticks = _ticks(pid)
        time.sleep(0.2)
        if _ticks(pid) - ticks <= 2:
            return True
    return False


def _ticks(pid: int) -> int:
    """Hundredths of a second of work so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
