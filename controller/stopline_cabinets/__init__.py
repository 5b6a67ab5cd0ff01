"""The `Cabinet` seam and its drivers. Stopline asks, the cabinet decides."""
