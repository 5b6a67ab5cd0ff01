"""The rule book: signal plans, the timing engine, the guard, detectors and the observation encoder.

Takes parsed values only: no I/O, no SUMO, no torch. Time is integer tenths of a second.
"""
