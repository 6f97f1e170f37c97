"""The engine: one file per noun; asks through ports, thinks with the core."""
