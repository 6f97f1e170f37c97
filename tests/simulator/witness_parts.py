"""Representative cables and transformers for the power-flow witness: facts from standards, chosen by a stated rule.

Copper, XLPE. Ampacity: IEC 60364-5-52, table B.52.12, three loaded cores free in air (method E, 30 degrees; as
reprinted by Nexans). Resistance: IEC 60228 class 2 at 20 degrees, here at 90. Reactance: 0.08 ohm/km (IEC 60364-5-52,
annex G).
Transformers: largest losses that Regulation (EU) 548/2014 allows from 2021 (table I.1, liquid-immersed), least
short-circuit impedance of IEC 60076-5, table 1.
"""

from dataclasses import dataclass
from math import ceil, sqrt

AT_90_DEGREES = 1 + 0.00393 * (90 - 20)
"""Resistance of copper against that at 20 degrees."""
OHM_REACTIVE_PER_KM = 0.08
LARGEST_DROP = 0.015
"""Of the nominal voltage, per cable at its rated current: a share of the 5 % of IEC 60364-5-52, annex G."""
POWER_FACTOR = 0.95
"""At which the designer reckons the drop."""
LEAST_HIGH_VOLTAGE_MM2 = 95
CORES_RETURNING = 4
"""Zero sequence of a four-core cable whose neutral brings everything back: R + 3 R, X + 3 X."""

# mm2, ampacity in A, ohm/km at 20 degrees
_CABLES = (
    (1.5, 23, 12.1),
    (2.5, 32, 7.41),
    (4, 42, 4.61),
    (6, 54, 3.08),
    (10, 75, 1.83),
    (16, 100, 1.15),
    (25, 127, 0.727),
    (35, 158, 0.524),
    (50, 192, 0.387),
    (70, 246, 0.268),
    (95, 298, 0.193),
    (120, 346, 0.153),
    (150, 399, 0.124),
    (185, 456, 0.0991),
    (240, 538, 0.0754),
)
# kVA, load loss in W
_TRANSFORMERS = (
    (25, 600),
    (50, 750),
    (100, 1250),
    (160, 1750),
    (250, 2350),
    (315, 2800),
    (400, 3250),
    (500, 3900),
    (630, 4600),
    (800, 6000),
    (1000, 7600),
    (1250, 9500),
    (1600, 12000),
    (2000, 15000),
    (2500, 18500),
    (3150, 23000),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cable:
    """Several alike in parallel, as one."""

    section_mm2: float
    count: int
    length_m: float
    ampacity_a: float
    resistance_ohm: float
    reactance_ohm: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Transformer:
    """Delta on the side of the grid, star with neutral on the depot's (Dyn11); several alike in parallel, as one."""

    rating_va: float
    impedance: float
    """Short-circuit impedance, as a share."""
    load_loss_w: float


def cable_for(current_a: float, *, voltage_v: float, length_m: float) -> Cable:
    """The smallest that carries this current and drops no more than `LARGEST_DROP`; at high voltage not a thin one."""
    count = 1
    while True:
        for section_mm2, ampacity_a, ohm_per_km in _CABLES:
            resistance = ohm_per_km * AT_90_DEGREES * length_m / 1000 / count
            reactance = OHM_REACTIVE_PER_KM * length_m / 1000 / count
            reactive = sqrt(1 - POWER_FACTOR**2)
            drop = sqrt(3) * current_a * (resistance * POWER_FACTOR + reactance * reactive) / voltage_v
            is_thick_enough = voltage_v <= 1000 or section_mm2 >= LEAST_HIGH_VOLTAGE_MM2
            if ampacity_a * count >= current_a and drop <= LARGEST_DROP and is_thick_enough:
                return Cable(
                    section_mm2=section_mm2,
                    count=count,
                    length_m=length_m,
                    ampacity_a=ampacity_a * count,
                    resistance_ohm=resistance,
                    reactance_ohm=reactance,
                )
        count += 1


def transformer_for(rating_va: float) -> Transformer:
    """The smallest standard size; of the largest, as many as it takes."""
    count = max(1, ceil(rating_va / 1000 / _TRANSFORMERS[-1][0]))
    kva, load_loss_w = next(size for size in _TRANSFORMERS if size[0] * count >= rating_va / 1000)
    # IEC 60076-5, table 1: up to 630 kVA, up to 1250 kVA, up to 2500 kVA, above.
    impedance = next(share for most, share in ((630, 0.04), (1250, 0.05), (2500, 0.06), (3150, 0.07)) if kva <= most)
    return Transformer(
        rating_va=kva * 1000 * count,
        impedance=impedance,
        load_loss_w=load_loss_w * count,
    )
