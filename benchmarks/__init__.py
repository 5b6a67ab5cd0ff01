"""Figures this project stands behind, each made by one command.

`python -m benchmarks.NAME --json FILE` measures, prints a table and writes the same rows as a list of
`{"case", "figure", "value", "limit", "holds"}`. `python -m benchmarks` runs all of them.

A benchmark is a module of this folder with a function that returns `Figure`s and
`sys.exit(main(measure))` at its end. Whatever is compared is measured in the same run, and `case` and
`figure` are names others rely on: once published they never change.
"""
