"""What the fork server imports and looks up once, for all of its children; and, so that they know
what they run, what the sources of it say at that time.

Whatever goes wrong here goes wrong again in the children that want it, and is told there: the
server itself must live.
"""

from contextlib import suppress

import torch._inductor.config  # noqa: F401 (torch.use_deterministic_algorithms imports it: a second)

import metabench.experiment.fit
import metabench.runner.worker  # noqa: F401
from metabench import registry
from metabench.errors import MetabenchError
from metabench.provenance import environment
from metabench.provenance.sources import OWN, hold_imported

SLOW = f"{OWN}.models.vision"
"""Imports torchvision: a fifth of a second, and few fits need it."""

for group in registry.GROUPS:
    for name in registry.names(group):
        module = registry.target(group, name).partition(":")[0]
        if module.partition(".")[0] == OWN and module != SLOW:
            with suppress(MetabenchError):
                registry.get(group, name)
environment.machine("cpu")
with suppress(OSError):
    hold_imported()
