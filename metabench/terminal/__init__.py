"""What a program owes its terminal: streams that may be closed, signals, and text without control
characters."""
