"""Guidance: diffusion priors of pictures, and how they pull a 3D thing towards what words say."""
