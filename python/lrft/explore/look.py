"""How the page looks: colours on light and on dark ground, style sheet, two small scripts."""

from __future__ import annotations

from pathlib import Path

from lrft.plot import PALETTE

#: On light and on dark ground, each with a contrast of 4.5 to its ground.
LIVE = (PALETTE[0], "#6cb6f2")
PINS = (("#B34700", "#ff9d5c"), ("#00785A", "#3ddcae"), ("#A8487F", "#f0a3cf"))
INK, PAPER, GRID = ("#1b1f24", "#e6e9ee"), ("#ffffff", "#14171c"), ("#e4e4e4", "#343a43")
TEMPLATE = Path(__file__).with_name("page.html")
#: Shared by all widgets; the colours are variables of the page, which knows light from dark.
STYLE = """
:host { --bokeh-font: inherit; color: var(--ink); font: 14px/1.35 system-ui, sans-serif; }
label, .bk-slider-title, .bk-slider-value, .bk-input-group { color: var(--ink); font-size: 13px; }
.bk-input, .bk-btn, select, textarea {
  background-color: var(--field); color: var(--ink); border-color: var(--line); }
.bk-btn.bk-active, .bk-btn:hover { background-color: var(--line); color: var(--ink); }
.bk-input:disabled, select:disabled { color: var(--muted); opacity: 1; background: var(--paper); }
textarea.bk-input { font: 12px/1.4 ui-monospace, monospace; }
.noUi-target { background: var(--line); border-color: var(--line); }
.noUi-handle { background: var(--field); border-color: var(--muted); }
.noUi-connect { background: var(--accent); }
.bk-slider-value { font-weight: 600; }
select.bk-input { appearance: auto; background-image: none; }
.bk-spin-btn::before { filter: invert(0.5); }
.name { margin-right: 14px; display: inline-block; }
.line { display: inline-block; width: 22px; margin-right: 6px; vertical-align: middle; }
.line { border-top: 3px solid var(--accent); }
.thin { border-top-width: 1px; }
.ode { border-top: 2px dashed var(--ink); }
.pin0 { border-color: var(--pin0); } .pin1 { border-color: var(--pin1); }
.pin2 { border-color: var(--pin2); }
.message { color: var(--warn); font-weight: 600; }
"""
COPY = """
const done = () => { button.label = "copied"; setTimeout(() => button.label = "copy", 1200) };
navigator.clipboard.writeText(box.value).then(done, () => { button.label = "select and copy" });
"""
THEME = """
const query = window.matchMedia("(prefers-color-scheme: dark)");
const tell = () => { dark.active = query.matches };
tell();
query.addEventListener("change", tell);
"""
