"""What the verbs of the command line do: one module each, whose function takes the parsed options
and returns the exit status."""
