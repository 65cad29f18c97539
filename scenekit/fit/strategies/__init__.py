"""Densification: where Gaussians are added and which are taken away."""

from scenekit.fit.strategies.adc import ADC as ADC
from scenekit.fit.strategies.error_score import ErrorScore as ErrorScore
from scenekit.fit.strategies.mcmc import MCMC as MCMC
from scenekit.fit.strategies.strategy import Run as Run
from scenekit.fit.strategies.strategy import Strategy as Strategy
