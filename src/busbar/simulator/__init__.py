"""The same engine in a made-up depot with made-up time."""
