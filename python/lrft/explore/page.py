"""The page: widgets that choose, plots that follow. All that it shows comes from a `Runner`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.explore.choices import ACTIVATIONS, FACTORS, STUDENTS, Choices, number
from lrft.plot import PALETTE

if TYPE_CHECKING:
    from lrft.explore.runner import Moment, Runner

__all__ = ["Page"]

#: Milliseconds between looks at the runner.
EVERY = 50
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
.bk-slider-value { font-weight: 600; }
"""
COPY = """
const done = () => { button.label = "copied"; setTimeout(() => button.label = "copy", 1200) };
navigator.clipboard.writeText(box.value).then(done, () => { button.label = "select and copy" });
"""
THEME = """
const query = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => {
  const i = query.matches ? 1 : 0;
  for (const f of figures) {
    f.background_fill_color = paper[i]; f.border_fill_color = paper[i]; f.outline_line_color = null;
  }
  for (const a of axes) {
    a.axis_label_text_color = ink[i]; a.major_label_text_color = ink[i];
    a.axis_line_color = ink[i]; a.major_tick_line_color = ink[i]; a.minor_tick_line_color = null;
  }
  for (const g of grids) g.grid_line_color = grid[i];
  for (const [glyph, colours] of lines) glyph.line_color = colours[i];
  for (const [note, colours] of notes) note.text_color = colours[i];
  for (const l of legends) {
    l.label_text_color = ink[i]; l.background_fill_color = paper[i]; l.border_line_color = grid[i];
  }
};
paint();
query.addEventListener("change", paint);
"""


@dataclass
class Pin:
    """A curve that stays for comparison."""

    label: str
    scale: dict[str, float]
    steps: Any
    overlap: Any
    loss: Any


class Page:
    """What one browser shows.

    Parameters
    ----------
    runner : Runner
    """

    def __init__(self, runner: Runner) -> None:
        from bokeh import models

        self.runner = runner
        self.seen = -1
        self.text_of = -1
        self.pins: list[Pin] = []
        self._models = models
        self._style = models.InlineStyleSheet(css=STYLE)
        self._lines: list[tuple[Any, tuple[str, str]]] = []
        self._notes: list[tuple[Any, tuple[str, str]]] = []
        self._controls()
        self._plots()
        self._tools()

    # ---- widgets ----------------------------------------------------------------------------

    def _widget(self, kind: str, **options: Any) -> Any:
        own = {"stylesheets": [self._style], "sizing_mode": "stretch_width"}
        return getattr(self._models, kind)(**own | options)

    def _controls(self) -> None:
        first = Choices()
        power = self._models.CustomJSTickFormatter(
            code="const v = 10 ** tick; return v < 1e5 ? Math.round(v).toLocaleString('en')"
            " : v.toExponential(1)"
        )

        def slider(
            name: str, title: str, start: float, end: float, step: float, **more: Any
        ) -> Any:
            value = getattr(first, name)
            return self._widget(
                "Slider",
                title=title,
                start=start,
                end=end,
                step=step,
                value=value,
                name=name,
                **more,
            )

        def select(name: str, title: str, options: Any) -> Any:
            value = getattr(first, name)
            return self._widget("Select", title=title, options=options, value=value, name=name)

        self.controls = {
            "student": select("student", "student", list(STUDENTS.items())),
            "factor": select("factor", "ĉ", list(FACTORS.items())),
            "rank": slider("rank", "rank of LoRA", 1, 8, 1),
            "activation": select("activation", "activation σ", list(ACTIVATIONS)),
            "log_d": slider("log_d", "dimension d", 1.0, 7.0, 0.1, format=power),
            "k": slider("k", "neurons k", 1, 50, 1),
            "strength": slider("strength", "strength ξ/√k", 0.05, 4.0, 0.05),
            "rate": slider("rate", "rate η over its stability limit", 0.05, 4.0, 0.05),
            "noise": slider("noise", "label noise, standard deviation", 0.0, 2.0, 0.05),
            "batch": slider("batch", "batch", 1, 64, 1),
            "log_steps": slider("log_steps", "steps / d", 0.0, 4.0, 0.1, format=power),
            "seed": self._widget("Spinner", title="seed", low=0, high=2**31, step=1, value=0),
        }
        for control in self.controls.values():
            control.on_change("value", lambda attr, old, new: self.choose())
        self._dependent()

    def choices(self) -> Choices:
        """Read the widgets."""
        values = {name: control.value for name, control in self.controls.items()}
        for name in ("rank", "k", "batch", "seed"):
            values[name] = int(values[name] or 0)  # an emptied field is None
        return Choices(**values)

    def choose(self) -> None:
        """Run what the widgets say."""
        self._dependent()
        self.runner.change(self.choices())

    def _dependent(self) -> None:
        """Grey out what the student does not have."""
        student = self.controls["student"].value
        self.controls["rank"].disabled = student != "lora"
        self.controls["factor"].disabled = student not in ("rank_one", "linearized")

    def _tools(self) -> None:
        models = self._models
        button = {"button_type": "default", "sizing_mode": "inherit"}
        self.pin = self._widget("Button", label="pin", **button)
        self.unpin = self._widget("Button", label="unpin all", **button)
        self.save = self._widget("Button", label="save NetCDF and PNG", **button)
        self.copy = self._widget("Button", label="copy", **button)
        self.form = self._widget(
            "RadioButtonGroup",
            labels=["Python", "TOML", "command"],
            active=0,
            button_type="default",
            sizing_mode="inherit",
        )
        self.unit = self._widget(
            "RadioButtonGroup",
            labels=["steps t", "t/d", "time ηt"],
            active=0,
            button_type="default",
            sizing_mode="inherit",
        )
        self.box = self._widget("TextAreaInput", rows=9, value="", height=190)
        self.said = self._widget("Div", text="")
        self.message = self._widget("Div", text="")
        self.pin.on_click(self._pin)
        self.unpin.on_click(self._unpin)
        self.save.on_click(self.runner.save)
        self.copy.js_on_click(
            models.CustomJS(args={"box": self.box, "button": self.copy}, code=COPY)
        )
        self.form.on_change("active", lambda attr, old, new: self._write())
        self.unit.on_change("active", lambda attr, old, new: self._redraw())

    # ---- plots ------------------------------------------------------------------------------

    def _plots(self) -> None:
        from bokeh.plotting import figure

        models = self._models
        self.range = models.Range1d(0, 1)
        self.data = {
            name: models.ColumnDataSource({"x": [], "y": []})
            for name in ("u", "u_median", "loss", "loss_median", "ode")
        }
        self.pinned = [
            {name: models.ColumnDataSource({"x": [], "y": []}) for name in ("u", "loss")}
            for _ in PINS
        ]
        common = {
            "x_range": self.range,
            "height": 300,
            "sizing_mode": "stretch_width",
            "toolbar_location": None,
            "output_backend": "canvas",
            "min_border_left": 56,
        }
        self.overlap = figure(y_range=(0, 1.02), **common)
        self.loss = figure(y_axis_type="log", **common)
        self.overlap.yaxis.axis_label = "overlap |⟨û, u⟩|"
        self.loss.yaxis.axis_label = "exact loss"
        items = []
        for plot, thin, thick in (
            (self.overlap, "u", "u_median"),
            (self.loss, "loss", "loss_median"),
        ):
            lines = plot.multi_line(
                "x", "y", source=self.data[thin], line_alpha=0.4, line_width=0.8
            )
            median = plot.line("x", "y", source=self.data[thick], line_width=2.6)
            self._lines += [(lines.glyph, LIVE), (median.glyph, LIVE)]
            for pin, colours in zip(self.pinned, PINS, strict=True):
                line = plot.line("x", "y", source=pin[thin], line_width=2.2)
                self._lines.append((line.glyph, colours))
            if plot is self.overlap:
                items += [("16 replicas", [lines]), ("median", [median])]
        dashed = {"line_width": 2.0, "line_dash": "dashed"}
        ode = self.overlap.line("x", "y", source=self.data["ode"], **dashed)
        self._lines.append((ode.glyph, INK))
        items.append(("order-parameter ODE", [ode]))
        self.mark = models.Span(location=0, dimension="height", line_dash="dotted", visible=False)
        self.mark_loss = models.Span(
            location=0, dimension="height", line_dash="dotted", visible=False
        )
        self.mark_text = models.Label(
            x=0, y=8, y_units="screen", text="", visible=False, text_font_size="13px", x_offset=5
        )
        self._lines += [(self.mark, INK), (self.mark_loss, INK)]
        self._notes.append((self.mark_text, INK))
        self.overlap.add_layout(self.mark)
        self.overlap.add_layout(self.mark_text)
        self.loss.add_layout(self.mark_loss)
        self.legend = models.Legend(
            items=[models.LegendItem(label=label, renderers=r) for label, r in items],
            orientation="horizontal",
            label_text_font_size="12px",
            border_line_color=None,
            padding=2,
            margin=2,
            spacing=12,
            ncols="auto",
        )
        self.overlap.add_layout(self.legend, "above")
        for plot in (self.overlap, self.loss):
            plot.xaxis.formatter = models.CustomJSTickFormatter(
                code="const a = Math.abs(tick); return a >= 1e9 ? tick / 1e9 + 'G' : a >= 1e6 ?"
                " tick / 1e6 + 'M' : a >= 1e4 ? tick / 1e3 + 'k' : String(+tick.toPrecision(6))"
            )
            plot.xaxis.ticker.desired_num_ticks = 5
            plot.axis.axis_label_text_font_style = "normal"
            plot.axis.axis_label_text_font_size = "14px"
            plot.axis.major_label_text_font_size = "12px"

    def _scale(self, scales: dict[str, float]) -> float:
        return (1.0, scales["d"], scales["time"])[self.unit.active]

    @staticmethod
    def _scales(moment: Moment) -> dict[str, float]:
        recipe = moment.recipe
        if recipe is None:
            return {"d": 1.0, "time": 1.0}
        return {"d": 1.0 / recipe.task["d"], "time": recipe.training["lr"]}

    def tick(self) -> None:
        """Show what is new."""
        moment = self.runner.moment
        if moment.number == self.seen:
            return
        self.seen = moment.number
        self._draw(moment)
        self._say(moment)
        if moment.run != self.text_of:
            self.text_of = moment.run if moment.recipe is not None or moment.message else -1
            self._write()

    def _draw(self, moment: Moment) -> None:
        scale = self._scale(self._scales(moment))
        curves = moment.curves
        if curves is None:
            if moment.message:
                for source in self.data.values():
                    source.data = {"x": [], "y": []}
            return
        x = curves.steps * scale
        for name, values, median in (
            ("u", curves.overlap, curves.median_overlap),
            ("loss", curves.loss, curves.median_loss),
        ):
            known = [np.isfinite(row) for row in values]
            self.data[name].data = {
                "x": [x[on] for on in known],
                "y": [row[on] for row, on in zip(values, known, strict=True)],
            }
            on = np.isfinite(median)
            self.data[f"{name}_median"].data = {"x": x[on], "y": median[on]}
        ode = moment.ode
        self.data["ode"].data = (
            {"x": [], "y": []} if ode is None else {"x": ode.steps * scale, "y": ode.overlap}
        )
        hit = np.isfinite(curves.hit)
        for mark in (self.mark, self.mark_loss, self.mark_text):
            mark.visible = bool(hit)
        if hit:
            self.mark.location = self.mark_loss.location = self.mark_text.x = curves.hit * scale
            self.mark_text.text = f"T₀.₉ = {number(curves.hit)}"
        end = float(x[-1])
        for pin, sources in zip(self.pins, self.pinned, strict=False):
            own = pin.steps * self._scale(pin.scale)
            end = max(end, float(own[-1]))
            sources["u"].data = {"x": own, "y": pin.overlap}
            sources["loss"].data = {"x": own, "y": pin.loss}
        self.range.end = end or 1.0
        late = hit and curves.hit * scale > 0.7 * self.range.end
        self.mark_text.text_align = "right" if late else "left"
        self.mark_text.x_offset = -5 if late else 5
        label = ("steps t", "t/d", "time ηt")[self.unit.active]
        for plot in (self.overlap, self.loss):
            if plot.xaxis.axis_label != label:
                plot.xaxis.axis_label = label

    def _redraw(self) -> None:
        self._draw(self.runner.moment)

    def _say(self, moment: Moment) -> None:
        parts = []
        if (recipe := moment.recipe) is not None:
            lr = recipe.training["lr"]
            parts.append(f"η = {lr:g}, {lr / moment.limit:.2g} of the limit {moment.limit:.3g}")
        if (curves := moment.curves) is not None and recipe is not None:
            parts.append(f"step {curves.slowest:,} of {recipe.training['steps']:,}")
            parts.append(f"{curves.hits} of {len(curves.loss)} at 0.9")
            if curves.running:
                parts.append(f"{moment.steps_per_second / 1e6:.3g} million steps a second")
            if recipe.kind == "full":
                parts.append("a full network has no û: see its loss")
        if moment.ode is not None:
            hit = moment.ode.hit
            parts.append(
                f"ODE: T₀.₉ {'= ' + number(hit) if np.isfinite(hit) else 'is not reached'}"
            )
        elif moment.about_ode:
            parts.append(f"ODE: {moment.about_ode}")
        else:
            parts.append("ODE: being solved")
        self.said.text = _escaped(" · ".join(parts))
        if moment.message != getattr(self, "_message", None):
            self._message = moment.message
            self.message.text = _escaped(moment.message)
            self.message.css_classes = ["message"] if moment.message else []

    def _write(self) -> None:
        recipe = self.runner.moment.recipe
        texts = () if recipe is None else (recipe.python, recipe.toml, recipe.command)
        self.box.value = texts[self.form.active]() if texts else ""

    # ---- pins -------------------------------------------------------------------------------

    def _pin(self) -> None:
        moment = self.runner.moment
        if moment.curves is None or len(self.pins) == len(PINS):
            self.message.text = f"at most {len(PINS)} curves can be pinned"
            self._message = None
            return
        on = np.isfinite(moment.curves.median_loss)
        self.pins.append(
            Pin(
                moment.choices.differences(Choices()).replace("the same", "as at first"),
                self._scales(moment),
                moment.curves.steps[on],
                moment.curves.median_overlap[on],
                moment.curves.median_loss[on],
            )
        )
        models = self._models
        renderer = self.overlap.renderers[1 + len(self.pins)]
        item = models.LegendItem(label=self.pins[-1].label, renderers=[renderer])
        self.legend.items = [*self.legend.items, item]
        self._redraw()

    def _unpin(self) -> None:
        self.pins = []
        for sources in self.pinned:
            for source in sources.values():
                source.data = {"x": [], "y": []}
        self.legend.items = self.legend.items[:3]
        self._redraw()

    # ---- the document -----------------------------------------------------------------------

    def fill(self, document: Any) -> None:
        """Put everything into a document, and keep it up to date."""
        from bokeh.events import DocumentReady

        models = self._models
        document.title = "lrft explore"
        document.template = TEMPLATE.read_text(encoding="utf-8")
        roots = {
            "controls": models.Column(
                children=list(self.controls.values()), sizing_mode="stretch_width", spacing=6
            ),
            "plots": models.Column(
                children=[self.said, self.message, self.overlap, self.loss],
                sizing_mode="stretch_width",
            ),
            "tools": models.FlexBox(
                children=[self.unit, self.pin, self.unpin, self.save],
                sizing_mode="stretch_width",
                styles={"flex-wrap": "wrap", "gap": "8px"},
            ),
            "texts": models.Column(
                children=[
                    models.FlexBox(
                        children=[self.form, self.copy],
                        sizing_mode="stretch_width",
                        styles={"flex-wrap": "wrap", "gap": "8px"},
                    ),
                    self.box,
                ],
                sizing_mode="stretch_width",
                spacing=6,
            ),
        }
        for name, root in roots.items():
            root.name = name
            document.add_root(root)
        figures = [self.overlap, self.loss]
        document.js_on_event(
            DocumentReady,
            models.CustomJS(
                args={
                    "figures": figures,
                    "axes": [axis for plot in figures for axis in plot.axis],
                    "grids": [grid for plot in figures for grid in plot.grid],
                    "lines": [[glyph, list(colours)] for glyph, colours in self._lines],
                    "notes": [[note, list(colours)] for note, colours in self._notes],
                    "legends": [self.legend],
                    "ink": list(INK),
                    "paper": list(PAPER),
                    "grid": list(GRID),
                },
                code=THEME,
            ),
        )
        document.add_periodic_callback(self.tick, EVERY)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
