"""What the paper leaves open, measured; not held against anything that it says."""
