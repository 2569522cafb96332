"""What senses perceive of simulated physics, with the truth that a question asks for: one file a source."""

from __future__ import annotations

from collections.abc import Mapping

# name of a source -> its module and class; `Source` in sim.sensing.base says what one does
SOURCES: Mapping[str, str] = {
    "sound": "sim.sensing.contact_sound:ContactSound",
    "solids": "sim.sensing.two_solids:TwoSolids",
    "push": "sim.sensing.pushed_thing:PushedThing",
    "hidden": "sim.sensing.hidden_thing:HiddenThing",
    "cabinet": "sim.sensing.cabinet:Cabinet",
    "lift": "sim.sensing.lifted_thing:LiftedThing",
}
