"""Scenes as assets for simulators, and the proof that they load."""
