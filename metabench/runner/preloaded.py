"""What the fork server imports once, for all of its children; and, so that they know what they run,
what the sources of it say at that time."""

import torch._inductor.config  # noqa: F401 (torch.use_deterministic_algorithms imports it: a second)

import metabench.experiment.fit
import metabench.runner.worker  # noqa: F401
from metabench.provenance.sources import hold_imported, read_ahead

hold_imported()
read_ahead()
