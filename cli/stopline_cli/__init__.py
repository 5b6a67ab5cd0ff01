"""The one `stopline` command.

Each command is a module of this package exposing a function `command`, and a row of
`stopline_cli.main.COMMANDS`. Nothing heavy is imported before a command runs.
"""

__version__ = "0.1.0"
