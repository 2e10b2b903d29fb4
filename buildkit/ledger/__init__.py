"""Stage 9: the record of all releases, `releases.jsonl`, and questions to it."""
