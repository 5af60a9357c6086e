"""The classes of the crossing scene: people with what they ride, carry, pull or lead.

Lengths are as in `people`: heights of the person, the ground at y = 0, the way to the right.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mocrop.evaluation.demo.people import (
    ANKLE,
    METAL,
    TYRE,
    Look,
    Step,
    arm,
    darker,
    from_there,
    head,
    knee_of,
    leg,
    reaching_arm,
    trunk,
    walker,
)
from mocrop.evaluation.demo.shapes import Limb, Point, Polygon, Ring, Shape, rectangle


def carry_box(look: Look, step: Step) -> list[Shape]:
    """On foot, a box before the chest."""
    body = walker(look, step, lean=-0.01)
    x, y = 0.1, body.shoulder[1] - 0.2
    box: list[Shape] = [
        rectangle(x, y, x + 0.34, y + 0.3, look.thing),
        rectangle(x, y + 0.24, x + 0.34, y + 0.3, darker(look.thing, 0.85)),
        rectangle(x + 0.14, y, x + 0.2, y + 0.3, look.trim),
    ]
    arms = [reaching_arm(look, body.shoulder, (x + 0.2, y + 0.01), near=near) for near in (False, True)]
    return [*arms[0], *box, *body.shapes(look, [], arms[1])]


def hold_umbrella(look: Look, step: Step) -> list[Shape]:
    """On foot, under an open umbrella."""
    body = walker(look, step)
    hand = 0.13, body.shoulder[1] - 0.09
    top = 0.07, body.shoulder[1] + 0.5
    rim = [(-0.4, -0.19), (-0.2, -0.16), (0.0, -0.15), (0.2, -0.16), (0.4, -0.19)]
    canopy: list[Shape] = []
    for number in range(4):
        (x0, y0), (x1, y1) = rim[number : number + 2]
        crown = [(x * 0.52, -0.045 - 0.05 * abs(x) / 0.4) for x in (x0, x1)]
        colour = look.thing if number % 2 else look.trim
        corners = [(x0, y0), (x1, y1), crown[1], crown[0]]
        canopy += [Polygon([(top[0] + x, top[1] + y) for x, y in corners], colour)]
        canopy += [Polygon([(top[0] + x, top[1] + y) for x, y in (crown[0], crown[1], (0.0, 0.0))], colour)]
    pole = [Limb((hand[0] + 0.005, hand[1] - 0.06), (top[0], top[1] + 0.03), 0.012, METAL)]
    return [*pole, *canopy, *body.shapes(look, None, reaching_arm(look, body.shoulder, hand, near=True))]


def pull_suitcase(look: Look, step: Step) -> list[Shape]:
    """On foot, a suitcase on wheels behind."""
    body = walker(look, step, lean=0.05)
    hand = -0.13, body.shoulder[1] - 0.24
    foot, tilt = (-0.44, 0.05), 0.5  # where the wheels are; how far it leans, radians
    along, across = (math.sin(tilt), math.cos(tilt)), (-math.cos(tilt), math.sin(tilt))

    def at(up: float, back: float) -> Point:
        return foot[0] + up * along[0] + back * across[0], foot[1] + up * along[1] + back * across[1]

    case: list[Shape] = [
        Limb(at(0.3, 0.03), hand, 0.011, METAL),
        Polygon([at(0.0, 0.0), at(0.36, 0.0), at(0.36, 0.22), at(0.0, 0.22)], look.thing),
        *(Limb(at(0.05, back), at(0.31, back), 0.011, look.trim) for back in (0.06, 0.11, 0.16)),
        Limb(foot, foot, 0.04, TYRE),
    ]
    return [
        *case,
        *body.shapes(look, None, arm(look, body.shoulder, (-0.06, body.shoulder[1] - 0.14), hand, near=True)),
    ]


def walk_dog(look: Look, step: Step) -> list[Shape]:
    """On foot, a dog on a leash ahead."""
    body = walker(look, step)
    hand = 0.2, body.shoulder[1] - 0.17
    x, y, coat = 0.62, 0.25, look.coat
    turn = 2 * math.pi * step.way / 0.5
    dog: list[Shape] = []
    for number, (where, phase) in enumerate(((0.13, 2.6), (-0.14, 0.5), (0.13, 0.0), (-0.14, math.pi))):
        angle = 0.6 * step.stride * math.sin(turn + phase)
        knee = from_there((x + where, y - 0.02), 0.1, angle)
        colour = darker(coat, 0.65) if number < 2 else coat
        dog += [
            Limb((x + where, y - 0.02), knee, 0.036, colour, 0.027),
            Limb(knee, from_there(knee, 0.1, angle - 0.2), 0.025, colour),
        ]
    wag = 0.05 * math.sin(3 * turn)
    dog += [
        Limb((x - 0.18, y + 0.03), (x - 0.27, y + 0.15 + wag), 0.027, coat, 0.016),
        Limb((x - 0.14, y), (x + 0.14, y + 0.01), 0.075, coat, 0.082),
        Limb((x + 0.16, y + 0.03), (x + 0.23, y + 0.13), 0.055, coat, 0.05),
        Limb((x + 0.24, y + 0.14), (x + 0.34, y + 0.115), 0.05, coat, 0.03),
        Limb((x + 0.21, y + 0.17), (x + 0.19, y + 0.08), 0.026, darker(coat, 0.55), 0.02),
        Limb((x + 0.365, y + 0.122), (x + 0.365, y + 0.122), 0.016, TYRE),
        Limb((x + 0.17, y + 0.1), (x + 0.23, y + 0.05), 0.017, look.trim),
    ]  # fmt: skip
    leash = [Limb(hand, (x + 0.18, y + 0.09), 0.008, look.trim)]
    return [*dog, *leash, *body.shapes(look, None, reaching_arm(look, body.shoulder, hand, near=True))]


def _wheel(centre: Point, radius: float, way: float) -> list[Shape]:
    spokes: list[Shape] = []
    for number in range(4):
        angle = -way / radius + number * math.pi / 4
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        spokes.append(Limb((centre[0] - x, centre[1] - y), (centre[0] + x, centre[1] + y), 0.005, METAL))
    return [*spokes, Ring(centre, radius - 0.016, 0.018, TYRE)]


def ride_bicycle(look: Look, step: Step) -> list[Shape]:
    """On a bicycle."""
    back, front, crank = (-0.28, 0.19), (0.34, 0.19), (-0.01, 0.2)
    bar, front = (0.25, 0.58), (0.27, 0.46)
    frame = [
        (crank, (-0.105, 0.44)),
        (crank, front),
        ((-0.105, 0.44), front),
        (back, crank),
        (back, (-0.105, 0.44)),
        (front, bar),
    ]
    hip, neck = (-0.1, 0.565), (0.08, 0.85)
    legs = []
    turn = -2 * math.pi * step.way / 1.6
    for angle, near in ((turn + math.pi, False), (turn, True)):
        foot = crank[0] + 0.085 * math.cos(angle), crank[1] + 0.085 * math.sin(angle) + 0.03
        legs.append(leg(look, hip, knee_of(hip, foot), foot, near=near))
    bike: list[Shape] = [*_wheel(back, 0.19, step.way), *_wheel(front, 0.19, step.way)]
    bike += [Limb(first, last, 0.016, look.thing) for first, last in frame]
    bike += [
        Limb((-0.2, 0.5), (-0.06, 0.505), 0.022, TYRE),
        Limb(bar, (0.29, 0.6), 0.018, TYRE),
        Ring(crank, 0.035, 0.012, METAL),
    ]
    arms = [arm(look, (neck[0], neck[1] - 0.04), (0.17, 0.68), (0.26, 0.61), near=near) for near in (False, True)]
    return [*arms[0], *legs[0], *bike, *legs[1], *trunk(look, hip, neck), *head(look, neck), *arms[1]]


def ride_scooter(look: Look, step: Step) -> list[Shape]:
    """On a kick scooter, one foot pushing off."""
    back, front, bar = (-0.2, 0.055), (0.34, 0.055), (0.25, 0.62)
    board: list[Shape] = [
        *(Limb(wheel, wheel, 0.055, TYRE) for wheel in (back, front)),
        *(Limb(wheel, wheel, 0.022, look.trim) for wheel in (back, front)),
        Limb((-0.24, 0.085), (0.26, 0.085), 0.02, look.thing),
        Limb((0.26, 0.085), (0.31, 0.17), 0.02, look.thing),
        Limb(front, bar, 0.017, look.thing),
        Limb((bar[0] - 0.05, bar[1]), (bar[0] + 0.03, bar[1] + 0.01), 0.02, TYRE),
    ]
    push = 0.25 - 0.5 * step.stride * (0.5 + 0.5 * math.sin(2 * math.pi * step.way / 1.5))
    hip, neck = (0.02, 0.55), (0.07, 0.86)
    pushing = -0.02 + push - 0.12, ANKLE + 0.09 * max(0.0, push + 0.05)
    legs = [
        leg(look, hip, knee_of(hip, foot), foot, near=near) for foot, near in ((pushing, False), ((0.05, 0.135), True))
    ]
    arms = [
        arm(look, (neck[0], neck[1] - 0.04), (0.13, 0.68), (bar[0] - 0.02, bar[1] + 0.02), near=near)
        for near in (False, True)
    ]
    return [*arms[0], *legs[0], *board, *legs[1], *trunk(look, hip, neck), *head(look, neck), *arms[1]]


FIGURES: dict[str, Callable[[Look, Step], list[Shape]]] = {
    "CarryBox": carry_box,
    "HoldUmbrella": hold_umbrella,
    "PullSuitcase": pull_suitcase,
    "RideBicycle": ride_bicycle,
    "RideScooter": ride_scooter,
    "WalkDog": walk_dog,
}
