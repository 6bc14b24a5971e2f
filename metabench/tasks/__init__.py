"""Episodes: what one is, how they are drawn, and the random streams behind all that is drawn."""
