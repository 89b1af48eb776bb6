"""The one door to the compiled engine: instruction sets, the engine, random numbers."""
