"""State → observation: the splat rasteriser."""
