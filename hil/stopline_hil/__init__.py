"""Hardware in the loop: virtual cabinets on real wire protocols, with SUMO as the street."""
