"""The one `stopline` command: a thin shell over the other packages.

To add a command:

1. Write `stopline_cli/<name>.py` with one public function `command`. Its parameters are typer
   options, its docstring is the help page, and heavy modules are imported inside it.
2. Add a row to `stopline_cli.main.COMMANDS`: the words typed, the module, one line of help.

Nothing is imported for a command before it runs, so `stopline --help` stays fast and the kerb never
loads SUMO or torch. A command returns to say done (exit 0), raises a `StoplineError` to say failed
(its message on stderr, exit 1), and raises `typer.BadParameter` for bad usage (exit 2). Where it
prints a table it takes `output.JsonOption` and prints through `output.print_table`.
"""

__version__ = "0.1.0"
