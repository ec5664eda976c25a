"""From files to ids: reading, tokenising, the vocabulary, prepared ids on disk."""
