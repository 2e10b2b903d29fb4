"""Targets -> whether two builds of each make the same image, and what differs if not."""
