"""Where numbers come from: machine, libraries, sources."""
