"""Observation → state: losses, densification, trainer, checkpoints."""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.fit.config import FitConfig as FitConfig
    from scenekit.fit.initial import initial_splats as initial_splats
    from scenekit.fit.strategies import ADC as ADC
    from scenekit.fit.strategies import MCMC as MCMC
    from scenekit.fit.strategies import ErrorScore as ErrorScore
    from scenekit.fit.surface_terms import SurfaceTerms as SurfaceTerms
    from scenekit.fit.trainer import FitResult as FitResult
    from scenekit.fit.trainer import fit as fit

__getattr__, __all__ = doors(
    __name__,
    {
        "ADC": "strategies",
        "ErrorScore": "strategies",
        "FitConfig": "config",
        "FitResult": "trainer",
        "MCMC": "strategies",
        "SurfaceTerms": "surface_terms",
        "fit": "trainer",
        "initial_splats": "initial",
    },
)
