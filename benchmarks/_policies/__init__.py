"""The policy table: every controller on every map of RESCO, under one rule book, with paired real seeds.

`python -m benchmarks._policies` (`make bench-policies`) makes it from nothing. It is not one of the quick
benchmarks: it simulates some hundreds of hours of traffic.
"""
