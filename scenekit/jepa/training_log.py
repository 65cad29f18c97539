"""What is written down of a training: losses, the health of latents, alarms; as JSON and as plots."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scenekit.io.atomic import write_text
from scenekit.jepa.diagnostics import Health
from scenekit.plots import Series, plot_svg

SAMPLES = 200
"""Of a plotted curve; longer ones are averaged down."""


@dataclass
class TrainingLog:
    """Grows step by step."""

    losses: dict[str, list[float]] = field(default_factory=dict)
    """Every term at every step."""
    watched: list[int] = field(default_factory=list)
    """Steps after which the latents were looked at."""
    health: list[Health] = field(default_factory=list)
    """How they were."""
    seconds: float = 0.0
    """Spent in steps [s]."""

    def add(self, terms: dict[str, float], seconds: float) -> None:
        """Writes down a step."""
        for name, value in terms.items():
            self.losses.setdefault(name, []).append(float(f"{value:.6g}"))
        self.seconds += seconds

    def watch(self, step: int, health: Health) -> None:
        """Writes down how latents are after a step."""
        self.watched.append(step)
        self.health.append(health)

    @property
    def alarms(self) -> list[str]:
        """What was wrong, and when."""
        pairs = zip(self.watched, self.health, strict=True)
        return [f"step {step}: {alarm}" for step, health in pairs for alarm in health.alarms]

    def mean(self, last: int = 100) -> dict[str, float]:
        """Every term, over the last steps."""
        return {name: float(np.mean(values[-last:])) for name, values in self.losses.items()}

    def as_header(self) -> dict[str, Any]:
        """Its contents as JSON has them."""
        return asdict(self)

    @staticmethod
    def from_header(header: dict[str, Any]) -> TrainingLog:
        """The inverse."""
        return TrainingLog(**header | {"health": [Health(**entry) for entry in header["health"]]})

    def write(self, folder: Path, about: dict[str, Any]) -> None:
        """log.json, losses.svg and collapse.svg in a folder, each atomically.

        Args:
            folder: Made if it is missing.
            about: What the JSON says first, such as the options.
        """
        content = about | {"alarms": self.alarms} | self.as_header()
        write_text(folder / "log.json", json.dumps(content, indent=1) + "\n")
        if self.losses:
            curves = [Series(name, *_thinned(values)) for name, values in self.losses.items()]
            write_text(folder / "losses.svg", plot_svg("Losses", curves, x_label="step", y_label="weighted term"))
        if self.health:
            names = {"deviation": "deviation", "rank": "effective rank / width", "cosine": "mean cosine"}
            curves = [
                Series(said, self.watched, [getattr(h, name) for h in self.health]) for name, said in names.items()
            ]
            write_text(folder / "collapse.svg", plot_svg("Latents", curves, x_label="step", y_label=""))


def _thinned(values: list[float]) -> tuple[list[float], list[float]]:
    """Steps and values of a curve, means of equally long parts."""
    parts = np.array_split(np.arange(1, len(values) + 1), min(len(values), SAMPLES))
    return [float(part.mean()) for part in parts], [float(np.mean([values[i - 1] for i in part])) for part in parts]
