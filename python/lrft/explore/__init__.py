"""`lrft explore`: a page in the browser whose curves grow while the engine runs.

One file an idea: `choices` (what the sliders say), `recipe` (the run that they mean, and how to run
it elsewhere), `runner` (the run, in the background), `limit` (its order-parameter ODE, in a process
of its own), `curves` (numbers to draw), `page` (widgets and plots), `server` (who may see it).
Only `page` and `server` know Bokeh, which comes with ``lrft[explore]``.
"""
