"""Depot and snapshot files (YAML or JSON)."""
