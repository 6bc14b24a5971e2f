"""Files, of strangers too: whole or not at all, within bounds, and through no link."""
