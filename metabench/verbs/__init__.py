"""What the verbs of the command line do: one module each, whose function takes the parsed options
and returns the exit status. Which verbs there are and what they take stands in `command_line`."""
