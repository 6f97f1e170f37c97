"""Trials: the real engine and OCPP layer in a simulated depot where anything may fail, under one made-up clock."""
