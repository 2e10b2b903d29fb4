"""Stage 6: an image that keeps the contract -> `Verified`, and its reports."""
