"""Radiance fields: encodings, occupancy, ray marching, volume rendering, training, and what becomes of a field."""
