"""What knows nothing of learning: checks, configuration fields, files, arrays, progress."""
