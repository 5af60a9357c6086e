"""People of the crossing scene, seen from the side: how they look, and their limbs while they walk.

Lengths are in heights of the person; the ground is at y = 0, the person heads to the right, the hip is near x = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mocrop.evaluation.demo.shapes import Colour, Ellipse, Limb, Point, Shape

THIGH = SHIN = 0.235
STRIDE = 1.0  # two steps
ANKLE = 0.035  # height of the ankle above the ground
SKINS: tuple[Colour, ...] = ((240, 203, 175), (222, 172, 135), (176, 122, 84), (121, 79, 52), (84, 54, 38))
HAIRS: tuple[Colour, ...] = ((38, 28, 24), (94, 62, 38), (201, 164, 94), (150, 150, 152), (133, 58, 34))
CLOTHES: tuple[Colour, ...] = (
    (196, 48, 44), (228, 132, 36), (236, 196, 60), (62, 140, 72), (38, 126, 148), (48, 84, 168), (120, 66, 150),
    (214, 92, 142), (238, 236, 228), (58, 60, 68), (112, 74, 50), (142, 176, 210),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((44, 52, 82), (40, 40, 44), (96, 84, 70), (122, 126, 132), (70, 92, 124), (86, 40, 44))
COATS: tuple[Colour, ...] = ((58, 46, 40), (148, 98, 56), (214, 186, 142), (232, 230, 224), (196, 128, 62))  # of dogs
WOOD: Colour = (186, 140, 92)
TYRE: Colour = (34, 34, 38)
METAL: Colour = (150, 154, 162)


@dataclass(frozen=True, kw_only=True)
class Look:
    """One person and their thing: the same in all clips of a group."""

    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    thing: Colour  # main colour of what they ride, carry, pull or lead
    trim: Colour  # its other colour
    coat: Colour  # of their dog
    girth: float  # of body and limbs; 1: average
    head: int  # 0: short hair, 1: long hair, 2: a cap, 3: a hat with a brim


def draw_look(rng: np.random.Generator) -> Look:
    """A person drawn at random; nothing of it depends on the class."""

    def one_of(colours: tuple[Colour, ...]) -> Colour:
        return colours[rng.integers(len(colours))]

    return Look(
        skin=one_of(SKINS),
        hair=one_of(HAIRS),
        shirt=one_of(CLOTHES),
        trousers=one_of(TROUSERS),
        shoes=one_of(TROUSERS + CLOTHES),
        thing=one_of(CLOTHES),
        trim=one_of(CLOTHES),
        coat=one_of(COATS),
        girth=float(rng.uniform(0.9, 1.2)),
        head=int(rng.integers(4)),
    )


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where somebody is in their movement."""

    way: float  # travelled so far, heights of the person
    stride: float  # 0: stands; 1: walks at full stride


def darker(colour: Colour, share: float = 0.72) -> Colour:
    """The same colour in the shade."""
    red, green, blue = colour
    return red * share, green * share, blue * share


def from_there(start: Point, length: float, angle: float) -> Point:
    """The point at a distance; the angle counts from straight down, forwards."""
    return start[0] + length * math.sin(angle), start[1] - length * math.cos(angle)


def knee_of(hip: Point, foot: Point) -> Point:
    """The knee between hip and foot, bent forwards."""
    across, up = foot[0] - hip[0], foot[1] - hip[1]
    apart = min(math.hypot(across, up), 0.999 * (THIGH + SHIN))
    bend = math.acos((THIGH**2 + apart**2 - SHIN**2) / (2 * THIGH * apart))
    return from_there(hip, THIGH, math.atan2(across, -up) + bend)


def leg(look: Look, hip: Point, knee: Point, ankle: Point, *, near: bool) -> list[Shape]:
    cloth, shoe = (look.trousers, look.shoes) if near else (darker(look.trousers), darker(look.shoes))
    girth = look.girth
    return [
        Limb(ankle, (ankle[0] + 0.075, ankle[1] - 0.012), 0.026, shoe, 0.02),
        Limb(hip, knee, 0.052 * girth, cloth, 0.04 * girth),
        Limb(knee, ankle, 0.04 * girth, cloth, 0.028 * girth),
    ]


def arm(look: Look, shoulder: Point, elbow: Point, hand: Point, *, near: bool) -> list[Shape]:
    sleeve, skin = (darker(look.shirt, 0.88), look.skin) if near else (darker(look.shirt, 0.6), darker(look.skin))
    return [
        Limb(elbow, hand, 0.024, skin, 0.02),
        Limb(shoulder, elbow, 0.036 * look.girth, sleeve, 0.028 * look.girth),
        Limb(hand, hand, 0.026, skin),
    ]


def reaching_arm(look: Look, shoulder: Point, hand: Point, *, near: bool) -> list[Shape]:
    """An arm whose hand is somewhere, its elbow low."""
    elbow = (shoulder[0] + hand[0]) / 2 - 0.02, min(shoulder[1], (shoulder[1] + hand[1]) / 2) - 0.05
    return arm(look, shoulder, elbow, hand, near=near)


def trunk(look: Look, hip: Point, neck: Point) -> list[Shape]:
    return [Limb(hip, (neck[0], neck[1] - 0.035), 0.074 * look.girth, look.shirt, 0.066 * look.girth)]


def head(look: Look, neck: Point) -> list[Shape]:
    x, y = neck[0] + 0.012, neck[1] + 0.105
    shapes: list[Shape] = [Limb(neck, (x, y), 0.03, darker(look.skin, 0.85))]
    if look.head == 1:
        shapes.append(Limb((x - 0.035, y + 0.01), (x - 0.06, y - 0.13), 0.06, look.hair, 0.04))
    shapes += [
        Ellipse((x, y), (0.072, 0.086), look.skin),
        Limb((x + 0.07, y - 0.012), (x + 0.08, y - 0.018), 0.014, look.skin),
        Ellipse((x - 0.022, y + 0.036), (0.066, 0.056), look.hair),
    ]
    if look.head == 2:
        shapes += [
            Ellipse((x - 0.006, y + 0.045), (0.078, 0.05), look.trim),
            Limb((x, y + 0.035), (x + 0.125, y + 0.028), 0.013, look.trim),
        ]
    elif look.head == 3:
        shapes += [
            Ellipse((x - 0.006, y + 0.06), (0.066, 0.05), WOOD),
            Limb((x - 0.12, y + 0.04), (x + 0.115, y + 0.04), 0.014, WOOD),
        ]
    return shapes


@dataclass(frozen=True)
class Walker:
    """Somebody on foot: the shapes of far and near side, and where hip and shoulders are."""

    far_leg: list[Shape]
    near_leg: list[Shape]
    middle: list[Shape]  # trunk and head
    shoulder: Point
    swing: float  # of the arms: angle of the near one, forwards

    def shapes(
        self, look: Look, far_arm: list[Shape] | None = None, near_arm: list[Shape] | None = None
    ) -> list[Shape]:
        """All of it; an arm that is not given swings."""
        far = far_arm if far_arm is not None else self._swinging(look, -self.swing, near=False)
        near = near_arm if near_arm is not None else self._swinging(look, self.swing, near=True)
        return [*far, *self.far_leg, *self.near_leg, *self.middle, *near]

    def _swinging(self, look: Look, angle: float, *, near: bool) -> list[Shape]:
        elbow = from_there(self.shoulder, 0.15, angle)
        return arm(look, self.shoulder, elbow, from_there(elbow, 0.14, angle + 0.35), near=near)


def walker(look: Look, step: Step, *, lean: float = 0.03) -> Walker:
    turn, reach = 2 * math.pi * step.way / STRIDE, 0.05 + 0.5 * step.stride
    angles = []
    for phase in (turn, turn + math.pi):
        thigh = reach * math.sin(phase)
        angles.append((thigh, thigh - 0.06 - 0.75 * step.stride * max(0.0, math.cos(phase))))
    drops = [THIGH * math.cos(thigh) + SHIN * math.cos(shin) for thigh, shin in angles]
    hip = 0.0, max(drops) + ANKLE
    legs = []
    for (thigh, shin), near in zip(angles, (True, False), strict=True):
        knee = from_there(hip, THIGH, thigh)
        legs.append(leg(look, hip, knee, from_there(knee, SHIN, shin), near=near))
    neck = lean, hip[1] + 0.31
    return Walker(
        legs[1],
        legs[0],
        [*trunk(look, hip, neck), *head(look, neck)],
        (neck[0], neck[1] - 0.04),
        -reach * math.sin(turn) * 0.9,
    )
