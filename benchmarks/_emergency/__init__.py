"""What emergency vehicle priority does on the arterial, cologne8 and ingolstadt21 at peak demand.

`python -m benchmarks._emergency` (`make bench-emergency`) makes the table from nothing; runs that are kept
are not made again. It is not one of the quick benchmarks.
"""
