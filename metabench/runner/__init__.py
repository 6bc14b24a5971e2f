"""Local processes: one a fit, as many at once as there are cores, and none that outlives the
run."""
