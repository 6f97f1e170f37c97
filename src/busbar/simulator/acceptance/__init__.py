"""Acceptance: scenarios under everything that goes wrong in them, judged, and told on one page."""
