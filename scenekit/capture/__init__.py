"""Posed photos: readers, video frames, structure from motion, undistortion."""
