"""A static site over runs: an index, the latest report of each suite, a permanent one for each
commit, and how scores and costs went from commit to commit. Links are relative, and no page needs
anything from elsewhere: it works from a file and from any host."""

from metabench.site.publishing import Published, publish

__all__ = ["Published", "publish"]
