"""Training networks and demand made by SUMO's own tools from real seeds."""
