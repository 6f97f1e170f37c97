"""Circuits' own meters: Modbus TCP, MQTT, and values pushed by HTTP, all as `NodeMeasured` events."""
