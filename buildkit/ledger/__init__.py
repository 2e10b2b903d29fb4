"""Stage 8: what was released, in `releases.jsonl`, and the questions to it."""
