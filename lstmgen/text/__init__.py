"""From files to token ids: reading, tokenization, the vocabulary, prepared ids on disk."""
