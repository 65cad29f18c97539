"""3D-JEPA: learns what of a 3D scene can be predicted from the rest of it, in latents, without reconstruction."""
