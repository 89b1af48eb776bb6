"""The simulations of the paper (App. B), one module a figure."""
