"""From tasks to chains of the engine and back."""
