"""Acceptance against real processes: `busbar serve`, charge points over websockets, meters over HTTP."""
