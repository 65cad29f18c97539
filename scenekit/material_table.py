"""The numbers behind `materials`: what common substances are like, and where each number comes from.

Rounded, at room temperature. A real thing may differ by a few percent in density, by half in friction, and by an order
of magnitude in what softens or dries: clay, jelly, foam. Restitutions are of a drop on a hard floor.
"""

from __future__ import annotations

from typing import NamedTuple

from scenekit.laws import (
    Cloth,
    DruckerPrager,
    FixedCorotated,
    Fluid,
    HerschelBulkley,
    Law,
    NeoHookean,
    Rigid,
    Snow,
    VonMises,
)
from scenekit.quantities import Quantity

CONTACT = "typical of dry contact with itself or a hard floor (The Engineering ToolBox, friction coefficients)"
WETTING = "of a liquid: 0 slips along walls, 1 stands for sticking to them"
BOUNCE = "order of magnitude of a drop on a hard floor"

METALS = "Gere & Goodno, Mechanics of Materials, tables of material properties"
CERAMICS = "Callister & Rethwisch, Materials Science and Engineering, appendix B"
WOODS = "Wood Handbook (USDA 2010), chapter 5; the stiffness is that along the grain"
FOAMS = "Gibson & Ashby, Cellular Solids (1997)"
PAPERS = "Alava & Niskanen, The physics of paper (2006), Rep. Prog. Phys. 69; stiffness in the sheet"
RUBBERS = "Gere & Goodno, Mechanics of Materials (0.7 to 4 MPa); filled rubber is stiffer"
SOFT_RUBBERS = "silicone of Shore hardness A 10 to 20"
GELS = "gelatin of 12 parts water, compressed (Bonavia, arXiv 2512.20502: 277 kPa of 2 parts, 4 kPa of 20)"
FRUITS = "flesh of apples, compressed (Mohsenin, Physical Properties of Plant and Animal Materials)"
POLYURETHANE = "flexible polyurethane foam (Allard & Atalla 2009, Propagation of Sound in Porous Media, table 11.3)"
SOILS = "soft clay: unconfined strength 25 to 50 kPa (Terzaghi & Peck), stiffness some 100 times that"
PLASTICINE = "order of compression tests (Sofuoglu & Rasty 2000, Tribology International 33)"
SANDS = "as Klár et al. 2016 simulate it; softer than real sand (some 50 MPa), which would need shorter steps"
SNOWS = "Stomakhin et al. 2013, table 2"
SOAPS = "shaving foam, rounded: order of Yue et al. 2015; compressible at 10 kPa for the sake of longer steps"
PASTES = "order of magnitude of rheometry of toothpaste"
LIQUIDS = "not used by the law; as stiff as its bulk modulus"
SOFT_BULK = "numerical: speed of sound some 30 m/s, so that explicit steps can be long; really 2 GPa"
TEXTILES = "order of plain weaves by Kawabata's system (Alam, Majumdar & Ghosh, Indian J. Fibre Text. Res.)"
DENIMS = "denim by Kawabata's system, 0.14 to 0.23 gf cm²/cm (Journal of Textiles 2016, 4614168, table 5)"
SILKS = "silk of 14 momme, 60 g/m²; order of filament weaves by Kawabata's system (Matsudaira, Kanazawa University)"


class Typical(NamedTuple):
    """What a substance is like."""

    name: str
    """Its name in `materials`."""
    density: float
    """[kg/m³]."""
    youngs_modulus: float
    """[Pa]."""
    poissons_ratio: float
    """As `Material.poissons_ratio`."""
    friction: float
    """As `Material.friction`."""
    restitution: float
    """As `Material.restitution`."""
    source: str
    """Where density, Young's modulus and Poisson's ratio come from."""
    law: Law = Rigid()
    """As `Material.law`."""


def sourced(value: float, note: str) -> Quantity:
    """A number that nobody looked at, with its source."""
    return Quantity(float(value), "default", note=note)


def _plastic(yield_stress: float, hardening: float, note: str) -> VonMises:
    return VonMises(sourced(yield_stress, note), sourced(hardening, note))


def _liquid(name: str, density: float, viscosity: float, friction: float, source: str) -> Typical:
    """A bulk modulus of 1 MPa, and as stiff a Young's modulus at a Poisson's ratio of 0.45."""
    law = Fluid(sourced(1e6, SOFT_BULK), sourced(viscosity, source))
    return Typical(name, density, 3e5, 0.45, friction, 0.0, LIQUIDS, law)


def _cloth(thickness: float, bending: float, note: str) -> Cloth:
    return Cloth(sourced(thickness, note), sourced(bending, note))


def _sand(name: str, density: float, friction_angle: float, cohesion: float, note: str) -> Typical:
    law = DruckerPrager(sourced(friction_angle, note), sourced(cohesion, note))
    return Typical(name, density, 3.5e5, 0.3, 0.6, 0.1, SANDS, law)


_DRY = "angle of repose of dry sand (Glover, Pocket Ref)"
_WET = "cohesion of capillary bridges (Richefeu, El Youssoufi & Radjaï 2006, Phys. Rev. E 73); friction as dry"
_FOAM = HerschelBulkley(sourced(30, SOAPS), sourced(25, SOAPS), sourced(0.25, SOAPS))
_PASTE = HerschelBulkley(sourced(150, PASTES), sourced(50, PASTES), sourced(0.4, PASTES))

TABLE = (
    Typical("aluminium", 2700, 69e9, 0.33, 0.6, 0.6, METALS),
    Typical("cardboard", 690, 2e9, 0.3, 0.5, 0.3, PAPERS),
    Typical("ceramic", 2400, 70e9, 0.22, 0.5, 0.6, CERAMICS),
    Typical("clay", 1800, 3e6, 0.4, 0.6, 0.05, SOILS, _plastic(3e4, 0.0, SOILS)),
    Typical("concrete", 2400, 30e9, 0.2, 0.7, 0.4, METALS),
    Typical("cork", 200, 20e6, 0.05, 0.6, 0.5, FOAMS),
    Typical("cotton", 300, 5e6, 0.3, 0.6, 0.1, TEXTILES, _cloth(4e-4, 8e-6, TEXTILES)),
    Typical("denim", 500, 1e7, 0.3, 0.6, 0.1, DENIMS, _cloth(8e-4, 1.7e-5, DENIMS)),
    _sand("dry-sand", 1600, 34.0, 0.0, _DRY),
    Typical("fabric", 300, 1e6, 0.3, 0.6, 0.1, TEXTILES, _cloth(5e-4, 1e-5, TEXTILES)),
    Typical("foam", 33, 1.3e5, 0.3, 0.6, 0.3, POLYURETHANE, FixedCorotated()),
    Typical("fruit", 950, 3e6, 0.35, 0.5, 0.4, FRUITS),
    Typical("glass", 2500, 70e9, 0.22, 0.5, 0.7, CERAMICS),
    _liquid("honey", 1400, 10.0, 1.0, "some 10 Pa s (flucon fluid lexicon)"),
    Typical("jelly", 1050, 1e4, 0.45, 0.4, 0.2, GELS, NeoHookean()),
    Typical("lead", 11340, 16e9, 0.44, 0.5, 0.15, "CRC Handbook of Chemistry and Physics"),
    _liquid("oil", 920, 0.084, 0.0, "olive oil at 20 °C (CRC Handbook of Chemistry and Physics)"),
    Typical("paper", 800, 3e9, 0.3, 0.5, 0.2, PAPERS),
    Typical("plastic", 1050, 2.3e9, 0.37, 0.35, 0.6, CERAMICS),
    Typical("plasticine", 1800, 3e6, 0.4, 0.7, 0.05, PLASTICINE, _plastic(5e4, 2e4, PLASTICINE)),
    Typical("rubber", 1100, 5e6, 0.48, 0.9, 0.8, RUBBERS, NeoHookean()),
    _sand("sand", 1600, 34.0, 0.0, _DRY),
    Typical("shaving-foam", 100, 900, 0.485, 0.4, 0.0, SOAPS, _FOAM),
    Typical("silk", 400, 5e6, 0.3, 0.3, 0.1, SILKS, _cloth(1.5e-4, 2.5e-6, SILKS)),
    Typical("snow", 400, 1.4e5, 0.2, 0.2, 0.1, SNOWS, Snow()),
    Typical("soft-rubber", 1100, 5e5, 0.45, 0.9, 0.7, SOFT_RUBBERS, NeoHookean()),
    Typical("steel", 7850, 200e9, 0.29, 0.6, 0.7, METALS),
    Typical("stone", 2700, 50e9, 0.25, 0.7, 0.4, METALS),
    Typical("toothpaste", 1300, 3e3, 0.485, 0.4, 0.0, PASTES, _PASTE),
    _liquid("water", 1000, 1.0e-3, 0.0, "1.002 mPa s at 20 °C (CRC Handbook of Chemistry and Physics)"),
    _sand("wet-sand", 1800, 34.0, 500.0, _WET),
    Typical("wood", 650, 11e9, 0.35, 0.45, 0.5, WOODS),
)
"""Common substances, by name."""
