"""The page: widgets that choose, plots that follow. All that it shows comes from a `Runner`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrft.explore.choices import ACTIVATIONS, FACTORS, STUDENTS, Choices, number
from lrft.explore.look import COPY, GRID, INK, LIVE, PAPER, PINS, STYLE, TEMPLATE, THEME

if TYPE_CHECKING:
    from lrft.explore.runner import Moment, Runner

__all__ = ["Page"]

#: Milliseconds between looks at the runner.
EVERY = 40


@dataclass
class Pin:
    """A curve that stays for comparison."""

    choices: Choices
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
        self._message = ""
        self.pins: list[Pin] = []
        self._models = models
        self._style = models.InlineStyleSheet(css=STYLE)
        self._lines: list[tuple[Any, tuple[str, str]]] = []
        self._controls()
        self._plots()
        self._tools()
        # Which of its two sets of colours the browser asks for; never shown.
        self.dark = models.Toggle(active=False, visible=False, name="dark")
        self.dark.on_change("active", lambda attr, old, new: self._paint(new))
        self._paint(False)

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
        button = {"button_type": "default", "sizing_mode": "fixed", "height": 32}
        self.pin = self._widget("Button", label="pin", width=70, **button)
        self.unpin = self._widget("Button", label="unpin all", width=90, **button)
        self.save = self._widget("Button", label="save NetCDF and PNG", width=190, **button)
        self.copy = self._widget("Button", label="copy", width=130, **button)
        self.form = self._widget(
            "RadioButtonGroup",
            labels=["Python", "TOML", "command"],
            active=0,
            button_type="default",
            sizing_mode="fixed",
            width=220,
            height=32,
        )
        self.unit = self._widget(
            "RadioButtonGroup",
            labels=["steps t", "t/d", "time ηt"],
            active=0,
            button_type="default",
            sizing_mode="fixed",
            width=220,
            height=32,
        )
        self.box = self._widget("TextAreaInput", rows=9, value="", height=190)
        self.said = self._widget("Div", text="")
        self.message = self._widget("Div", text="")
        self.names = self._widget("Div", text="")
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
            for name in ("u", "u_median", "loss", "loss_median", "ode", "ode_loss")
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
            "min_border_right": 22,
        }
        self.overlap = figure(y_range=(0, 1.02), **common)
        self.loss = figure(y_axis_type="log", **common)
        self.overlap.yaxis.axis_label = "overlap |⟨û, u⟩|"
        self.loss.yaxis.axis_label = "exact loss"
        for plot, thin, thick in (
            (self.overlap, "u", "u_median"),
            (self.loss, "loss", "loss_median"),
        ):
            lines = plot.multi_line(
                "x", "y", source=self.data[thin], line_alpha=0.55, line_width=0.8
            )
            median = plot.line("x", "y", source=self.data[thick], line_width=2.6)
            self._lines += [(lines.glyph, LIVE), (median.glyph, LIVE)]
            for pin, colours in zip(self.pinned, PINS, strict=True):
                line = plot.line("x", "y", source=pin[thin], line_width=2.2)
                self._lines.append((line.glyph, colours))
        dashed = {"line_width": 2.0, "line_dash": "dashed"}
        for plot, name in ((self.overlap, "ode"), (self.loss, "ode_loss")):
            ode = plot.line("x", "y", source=self.data[name], **dashed)
            self._lines.append((ode.glyph, INK))
        self.mark = models.Span(location=0, dimension="height", line_dash="dotted", visible=False)
        self.mark_loss = models.Span(
            location=0, dimension="height", line_dash="dotted", visible=False
        )
        self.mark_text = models.Label(
            x=0, y=8, y_units="screen", text="", visible=False, text_font_size="13px", x_offset=5
        )
        self._lines += [(self.mark, INK), (self.mark_loss, INK)]
        self.overlap.add_layout(self.mark)
        self.overlap.add_layout(self.mark_text)
        self.loss.add_layout(self.mark_loss)
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
        self._name(moment)
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
        for name, line in (
            ("ode", None if ode is None else (ode.steps, ode.overlap)),
            ("ode_loss", None if ode is None else (ode.loss_steps, ode.loss)),
        ):
            steps, values = line or (np.empty(0), np.empty(0))
            self.data[name].data = {"x": steps * scale, "y": values}
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
            if not recipe.make_student().followed:
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
        if moment.message != self._message:
            self._message = moment.message
            self._tell(moment.message)

    def _name(self, moment: Moment) -> None:
        """Say which line is which; a pinned one by what tells it from the present one."""
        entries = [("16 replicas", "thin"), ("median", "median"), ("order-parameter ODE", "ode")]
        for i, pin in enumerate(self.pins):
            entries.append((f"pinned: {pin.choices.differences(moment.choices)}", f"pin{i}"))
        self.names.text = " ".join(
            f'<span class="name"><span class="line {kind}"></span>{_escaped(text)}</span>'
            for text, kind in entries
        )

    def _tell(self, message: str) -> None:
        """Show what went wrong, or what was saved."""
        self.message.text = f'<div class="message">{_escaped(message)}</div>' if message else ""

    def _write(self) -> None:
        recipe = self.runner.moment.recipe
        texts = () if recipe is None else (recipe.python, recipe.toml, recipe.command)
        self.box.value = texts[self.form.active]() if texts else ""

    # ---- pins -------------------------------------------------------------------------------

    def _pin(self) -> None:
        moment = self.runner.moment
        if moment.curves is None or len(self.pins) == len(PINS):
            self._tell(f"at most {len(PINS)} curves can be pinned, and none before it runs")
            return
        on = np.isfinite(moment.curves.median_loss)
        self.pins.append(
            Pin(
                moment.choices,
                self._scales(moment),
                moment.curves.steps[on],
                moment.curves.median_overlap[on],
                moment.curves.median_loss[on],
            )
        )
        self._redraw()

    def _unpin(self) -> None:
        self.pins = []
        for sources in self.pinned:
            for source in sources.values():
                source.data = {"x": [], "y": []}
        self._redraw()

    def _paint(self, dark: bool) -> None:
        """Draw in the colours that go with the ground of the page."""
        i = int(dark)
        for plot in (self.overlap, self.loss):
            plot.background_fill_color = plot.border_fill_color = PAPER[i]
            plot.outline_line_color = None
            plot.axis.axis_label_text_color = plot.axis.major_label_text_color = INK[i]
            plot.axis.axis_line_color = plot.axis.major_tick_line_color = INK[i]
            plot.axis.minor_tick_line_color = None
            plot.grid.grid_line_color = GRID[i]
        for line, colours in self._lines:
            line.line_color = colours[i]
        self.mark_text.text_color = INK[i]

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
                children=[self.said, self.message, self.names, self.overlap, self.loss],
                sizing_mode="stretch_width",
            ),
            "tools": models.Row(
                children=[self.unit, self.pin, self.unpin, self.save],
                sizing_mode="stretch_width",
                styles={"flex-wrap": "wrap", "gap": "8px", "padding": "4px 0"},
            ),
            "texts": models.Column(
                children=[
                    models.Row(
                        children=[self.form, self.copy],
                        sizing_mode="stretch_width",
                        styles={"flex-wrap": "wrap", "gap": "8px", "padding": "4px 0"},
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
        document.add_root(self.dark)
        document.js_on_event(DocumentReady, models.CustomJS(args={"dark": self.dark}, code=THEME))
        document.add_periodic_callback(self.tick, EVERY)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
