"""Charge points over OCPP 1.6J, 2.0.1 and 2.1: a central system that translates and decides nothing."""
