"""The simulations of the paper's App. B, panel by panel.

`settings` holds every constant the paper leaves open, `calibration` how the learning rates were
found, `instances` runs one task an instance; ``figure2`` … ``figure6`` are the panels.
"""
