//! Temporary homes, free ports, real servers and real MQTT clients, for tests.
