"""The claims of the paper, each measured and judged, one module a claim."""
