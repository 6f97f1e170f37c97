"""Adapters: translate between the world and the engine; they decide nothing."""
