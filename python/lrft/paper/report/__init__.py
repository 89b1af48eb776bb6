"""The report of figures and claims."""
