# Copyright 2026 the objectcentric_ros developers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What packaged goods there are: brands, kinds of product, variants."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]

BRANDS = tuple(
    """Norvika Alpendor Brightwell Casamora Delphine Everfold Fennmark Glimmer Harrowby Iskola Jubilo Kestrelle
Lumenta Marigo Nestory Oakhurst Pellegra Quillon Rivanto Solanne Tavish Umbrio Velora Wexcombe Xandria Yarrow Zephyra
Amberley Borealis Cinderby Dovetail Elmstead Fjordly Gatewick Hollin Ingleby Juniper Kalmera Larkfield Mistral Nordhav
Ostara Pinecrest Quayside Rosmarin Saltmarsh Thistledown Ulverton Verdano Willowby Yewtree Zinnia Ardentia Bluefin Corvina
Dunmore Estrella Foxglove Greywater Halcyon""".split()
)

_FLAVOURS = {
    "strawberry": (0.88, 0.15, 0.25),
    "lemon": (0.98, 0.88, 0.2),
    "orange": (0.98, 0.55, 0.1),
    "mint": (0.45, 0.85, 0.65),
    "blueberry": (0.28, 0.3, 0.68),
    "vanilla": (0.96, 0.9, 0.7),
    "chocolate": (0.36, 0.2, 0.12),
    "apple": (0.55, 0.78, 0.22),
    "cherry": (0.62, 0.04, 0.16),
    "peach": (1.0, 0.72, 0.52),
    "coconut": (0.95, 0.94, 0.9),
    "caramel": (0.78, 0.5, 0.2),
}
_SCENTS = {
    "lavender": (0.6, 0.48, 0.82),
    "rose": (0.92, 0.5, 0.6),
    "lime": (0.7, 0.88, 0.25),
    "sea breeze": (0.3, 0.68, 0.85),
    "honey": (0.95, 0.72, 0.2),
    "aloe vera": (0.5, 0.75, 0.5),
    "pine": (0.12, 0.42, 0.28),
    "cotton": (0.94, 0.95, 0.97),
    "sandalwood": (0.7, 0.52, 0.36),
    "jasmine": (0.98, 0.95, 0.78),
    "cherry blossom": (0.98, 0.76, 0.82),
}
_COLOURS = {
    "red": (0.82, 0.1, 0.1),
    "blue": (0.12, 0.28, 0.78),
    "green": (0.12, 0.55, 0.25),
    "yellow": (0.97, 0.83, 0.1),
    "black": (0.1, 0.1, 0.11),
    "white": (0.95, 0.95, 0.95),
    "pink": (0.97, 0.55, 0.7),
    "purple": (0.45, 0.2, 0.6),
    "orange": (0.97, 0.5, 0.08),
    "grey": (0.5, 0.52, 0.54),
    "turquoise": (0.15, 0.72, 0.72),
    "brown": (0.42, 0.27, 0.16),
}
_SAVOURY = {
    "tomato": (0.85, 0.18, 0.1),
    "basil": (0.22, 0.5, 0.16),
    "garlic": (0.94, 0.9, 0.78),
    "chilli": (0.75, 0.05, 0.05),
    "mushroom": (0.65, 0.54, 0.42),
    "chicken": (0.93, 0.75, 0.42),
    "pumpkin": (0.95, 0.55, 0.12),
    "olive": (0.45, 0.46, 0.16),
    "sea salt": (0.84, 0.88, 0.92),
    "paprika": (0.8, 0.3, 0.1),
    "onion": (0.62, 0.35, 0.5),
}
_METALS = {
    "silver": (0.78, 0.79, 0.81),
    "gold": (0.86, 0.68, 0.26),
    "copper": (0.78, 0.46, 0.3),
    "black": (0.12, 0.12, 0.13),
    "white": (0.94, 0.94, 0.94),
    "blue": (0.15, 0.35, 0.75),
    "red": (0.8, 0.12, 0.12),
}
_LIGHT = {
    "warm white": (1.0, 0.86, 0.58),
    "cool white": (0.86, 0.93, 1.0),
    "daylight": (1.0, 0.98, 0.92),
    "amber": (1.0, 0.65, 0.15),
    "smoked": (0.42, 0.4, 0.4),
    "blue": (0.35, 0.55, 1.0),
}
VARIANTS: dict[str, dict[str, Colour]] = {
    "flavour": _FLAVOURS,
    "scent": _SCENTS,
    "colour": _COLOURS,
    "savoury": _SAVOURY,
    "metal": _METALS,
    "light": _LIGHT,
}


@dataclass(frozen=True)
class ProductKind:
    """A kind of product.

    Args:
        name: as titles and labels have it.
        forms: packages that it comes in.
        shape: the unpacked product, a function of ``unpacked``.
        variants: key of `VARIANTS`.
        unit: of the size: ml, g, pcs, m or cm.
        shown: whether shops may show it without its package (nobody shows a puddle of soap).
        claims: what titles and labels boast of.
        uses: what titles say that it is for.
    """

    name: str
    forms: tuple[str, ...]
    shape: str
    variants: str
    unit: str
    shown: bool
    claims: tuple[str, ...]
    uses: tuple[str, ...]


_CARE = ("Gentle on Skin", "Dermatologically Tested", "Without Parabens", "24 h Moisture", "Vegan Formula")
_FOOD = ("No Added Sugar", "Ready in 5 Minutes", "Made with Real Ingredients", "Gluten Free", "From Organic Farms", "Resealable")
_TECH = ("Long Life", "Energy Saving", "High Performance", "2 Year Guarantee", "Leakproof", "Plug and Play")
_HOME = ("Extra Strong", "Easy to Use", "Reusable", "Durable and Light", "Dishwasher Safe", "Non Slip")
_PETS = ("with Real Meat", "Grain Free", "Supports Healthy Teeth", "Vet Approved")
_ROOM = ("Kitchen and Bathroom", "Home and Office", "the Whole Family", "Everyday Use", "Travel and Camping")
_SHARE = ("Lunch Boxes and Picnics", "Sharing at Home", "the Pantry", "Baking and Snacks")
_DOGS, _CATS = ("Small and Large Dogs", "Puppies", "Dogs of All Breeds"), ("Cats and Kittens", "Indoor Cats", "Playful Cats")

# name | forms | shape | variants | unit | shown | group
_TABLE = """
hand soap|bottle pouch|drop|scent|ml||care
soap bar|box carton|soap|scent|g|y|care
shampoo|bottle tube|drop|scent|ml||care
body lotion|bottle tube|drop|scent|ml||care
toothpaste|tube box|brush|flavour|ml||care
toothbrush|box tube|brush|colour|pcs|y|care
lip balm|tube box|lipstick|flavour|g|y|care
bath salts|jar pouch|crystals|scent|g||care
cotton pads|pouch carton|discs|colour|pcs|y|care
hair ties|pouch box|rings|colour|pcs|y|care
nail polish|box bottle|nailpolish|colour|ml|y|care
face mask|pouch carton|mask|scent|pcs|y|care
shaving cream|can tube|drop|scent|ml||care
hair comb|pouch box|comb|colour|pcs|y|care
light bulb|box carton|bulb|light|pcs|y|tech
AA batteries|box pouch|batteries|metal|pcs|y|tech
USB cable|box pouch|cable|colour|m|y|tech
phone charger|box carton|charger|colour|pcs|y|tech
earphones|box jar|earphones|colour|pcs|y|tech
computer mouse|box carton|mouse|colour|pcs|y|tech
pocket torch|box tube|torch|metal|pcs|y|tech
memory stick|pouch box|stick|colour|pcs|y|tech
night light|box carton|lamp|light|pcs|y|tech
tomato soup|can pouch|bowl|savoury|ml||food
baked beans|can jar|beans|savoury|g||food
dog biscuits|box pouch|bone|savoury|g|y|dogs
cat treats|pouch can|fish|savoury|g|y|cats
dog ball|box pouch|ball|colour|pcs|y|dogs
cat toy mouse|pouch box|toymouse|colour|pcs|y|toys
chew bone|pouch box|bone|savoury|pcs|y|dogs
butter cookies|box pouch can|cookies|flavour|g|y|food
cereal bars|box carton pouch|bars|flavour|pcs|y|food
herbal tea|box can pouch|teabag|flavour|pcs|y|food
ground coffee|can pouch|cup|flavour|g||food
hot chocolate|can jar|cup|flavour|g||food
fruit juice|carton bottle|fruit|flavour|ml||food
oat milk|carton bottle|cup|flavour|ml||food
olive oil|bottle can|drop|savoury|ml||food
pasta sauce|jar pouch|bowl|savoury|g||food
spaghetti|box pouch|sticks|savoury|g|y|food
rice|box pouch|bowl|savoury|g||food
jam|jar|fruit|flavour|g||food
honey spread|jar bottle|drop|flavour|g||food
potato crisps|pouch can|crisps|savoury|g|y|food
chewing gum|box pouch|bars|flavour|pcs|y|food
fruit gums|pouch box|bears|flavour|g|y|food
chocolate bar|box pouch|chocolate|flavour|g|y|food
pepper mill spice|jar bottle|shaker|savoury|g|y|food
mustard|jar tube|drop|savoury|g||food
birthday candles|box pouch|candles|colour|pcs|y|home
scented candle|jar box|candle|scent|g|y|home
dish sponge|pouch box|sponge|colour|pcs|y|home
dish soap|bottle pouch|drop|scent|ml||home
laundry detergent|bottle box|shirt|scent|ml||home
bin bags|box carton|roll|colour|pcs|y|home
adhesive tape|box pouch|tape|colour|m|y|home
glue stick|tube box|lipstick|colour|g|y|home
wax crayons|box carton|candles|colour|pcs|y|home
playing cards|box carton|cards|colour|pcs|y|home
toy car|box carton|car|colour|pcs|y|home
building blocks|box jar|bricks|colour|pcs|y|home
spinning top|box pouch|top|colour|pcs|y|home
door key blanks|pouch box|key|metal|pcs|y|home
clothes pegs|pouch box|pegs|colour|pcs|y|home
screw set|box jar|screws|metal|pcs|y|home
tennis balls|can pouch|ball|colour|pcs|y|home
coffee mug|box carton|mug|colour|ml|y|home
spoon set|box pouch|spoon|metal|pcs|y|home
"""
_GROUPS = {
    "care": (_CARE, _ROOM),
    "food": (_FOOD, _SHARE),
    "tech": (_TECH, _ROOM),
    "home": (_HOME, _ROOM),
    "dogs": (_PETS, _DOGS),
    "cats": (_PETS, _CATS),
    "toys": (_HOME, _CATS),
}
SIZES = {
    "ml": (50, 75, 100, 150, 200, 250, 330, 400, 500),
    "g": (40, 60, 85, 100, 125, 200, 250, 400, 500),
    "pcs": (2, 3, 4, 6, 8, 10, 12, 20, 24, 36),
    "m": (1, 2, 3, 5, 10),
}


def _kinds() -> tuple[ProductKind, ...]:
    kinds = []
    for line in _TABLE.strip().splitlines():
        name, forms, shape, variants, unit, shown, group = line.split("|")
        kinds.append(ProductKind(name, tuple(forms.split()), shape, variants, unit, shown == "y", *_GROUPS[group]))
    return tuple(kinds)


KINDS = _kinds()
