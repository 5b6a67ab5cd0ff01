"""SUMO simulation, plans read from SUMO networks, environments, scenarios and metrics."""
