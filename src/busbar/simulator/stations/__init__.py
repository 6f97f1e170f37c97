"""Simulated charge points as real OCPP clients, and the meters of the circuits that feed them."""
