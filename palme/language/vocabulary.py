"""The words the small language model is born with: entities as one token each, and plain English."""

from __future__ import annotations

import re

from robots.skills import COLOURS, ENTITIES, KINDS

MAX_OBJECTS = 16

PAD, UNK, BOS, EOS = "<pad>", "<unk>", "<s>", "</s>"
OBJECT_TOKENS = tuple(f"<obj:{k}>" for k in range(1, MAX_OBJECTS + 1))  # where a soft token stands
IMAGE_TOKEN, STATE_TOKEN = "<img>", "<state>"
READING_TOKEN = "<read>"  # what a text encoder made of the sentence
OBJECT_WORDS = tuple(f"obj_{k}" for k in range(1, MAX_OBJECTS + 1))  # how a sentence refers to it
ENTITY_WORDS = tuple(name.replace(" ", "_") for name in ENTITIES)
TABLE, NOTHING = "table", "nothing"
SPECIAL = (PAD, UNK, BOS, EOS, *OBJECT_TOKENS, IMAGE_TOKEN, STATE_TOKEN)

# Words of the answers (the rationale and the step); all of them may be typed by a person too.
ANSWER_WORDS = (
    "goal in stack match put on table nothing at under done yes no unknown where check "
    "left right centre nowhere possible successful . ; , ? : ! ' - \" ( ) / & + 1 2 3 4 5 6 7 8 9 10"
).split()

# Word ids of trained weights depend on this order: new words only at the end.
_PLAIN = """
a an the this that these those it its they them their one ones some any every each all both either neither
another other others same single only just also too very more most less least much many few lot lots next
last first second third fourth fifth final previous former latter i you we he she me my mine your yours our
ours us is are am be been being was were do does did doing done have has had having will would shall should
can could may might must ought need needs needed want wants wanted like liked wish wishes hope hoping love
and or but nor so then than if when while once until till after before since because as for of to in into
inside within on onto upon over above under underneath beneath below at by with without from off out up down
upward upwards downward downwards between among across through against about around along beside besides
near next away apart together back forth here there where wherever who whom whose which what whatever how
why not never no yes please kindly thanks thank hey hello hi ok okay robot arm panda palme helper assistant
buddy friend sir dear could go ahead start starting starts begin beginning begins end ending ends finish
finished finishing complete completed stop make makes making made sure that see look looks looking let lets
us get gets getting got give given take takes taking taken took bring brings bringing brought put puts
putting place places placing placed set sets setting move moves moving moved pick picks picking picked grab
grabs grabbing grabbed grasp grasping lift lifts lifting lifted carry carrying carried drop drops dropping
dropped lay laying laid lower lowering lowered transfer transferring transferred deposit depositing
deposited insert inserting inserted slide sliding shift shifting relocate relocating deliver delivering
delivered send sending sent store storing stored stow stash tuck load loading loaded fill filling filled
hold holds holding held keep keeps keeping kept leave leaves leaving left fetch transport drag push pull
toss throw pop plop stick park position positioned rest rests resting rested sit sits sitting stand stands
standing lie lies lying land lands end goes going gone belong belongs belonging live lives come comes coming
came stay stays stack stacks stacking stacked pile piles piling piled build builds building built construct
constructing constructed erect assemble assembling assembled tower towers column columns heap pillar
structure create creating created form forming formed arrange arranges arranging arranged arrangement order
ordered ordering orders sequence sort sorts sorting sorted match matches matching matched group grouping
grouped pair pairs pairing paired organise organize organised organized tidy tidying clean clear clearing
cleared separate distribute divide assign classify categorise categorize coordinate coordinated file put
away top tops topmost bottom bottoms bottommost base foundation middle upper lower uppermost lowest
lowermost highest ground floor level levels layer layers crown cap capped crowned finishing support supports
supporting supported bear bearing topped underlying pinnacle apex crest head earlier higher earth sandwiched
hanging placement packing adding tossing read reading listed list listing named naming mentioned following
follows follow followed given colour colours color colors coloured colored shade shades hue hues tint tone
red orange yellow green cyan blue purple pink turquoise teal aqua violet magenta lilac scarlet crimson rose
salmon amber gold golden lime emerald navy azure indigo white black grey gray brown block blocks cube cubes
box boxes brick bricks cylinder cylinders tube tubes can cans roller rod puck drum bowl bowls dish dishes
container containers basin vessel cup tray plate bin pot receptacle object objects thing things item items
piece pieces toy toys part parts solid solids stuff table tabletop desk surface board counter big bigger
biggest small smaller smallest large larger largest little tiny size sizes round square own respective
corresponding correct right proper appropriate suitable matching equal identical fitting different wrong
mismatched own right wherever whichever everything anything something nothing nobody none always again now
soon immediately quickly slowly carefully gently safely neatly properly directly straight simply really
first finally lastly later afterwards afterward meanwhile well nice nicely good great better best perfect
fine job task goal mission aim target destination work working plan planned result state position spot
location home house way time times moment today would you mind able possible ensure verify check find locate
found choose using use used used by hand gripper fingers finger left right centre center front behind side
edge corner two three four five six seven eight nine ten zero half high tall open close opened closed drawer
door window microwave oven light lights lamp switch turn turning on off banana apple orange coffee tea water
milk bread cook cooking kitchen pour wipe weather song sing play music story joke tell say said speak talk
write dance name called call who old time clock day night morning news money price cost cut paint draw fold
wash read book books phone call email car drive walk run jump kick shake wave dog cat bird person human
people man woman child president capital city country world math plus minus sum answer question sponge knife
spoon fork bottle mug shirt towel shoe hat ball pen pencil scissors hammer screw screwdriver key keys laptop
computer screen button chair shelf cupboard fridge trash garbage rubbish basket bag jar lid flower plant
paper pyramid circle line row triangle star ring sphere cone rotate spin flip knock tip break crush bend
tear burn successful success succeeded failed fail happened history seen before nothing yet already still
currently should have contain contains containing contained include includes including reach reaching
reached achieve achieved wants asked ask asking request requested supposed expected required whose lids
ascending descending increasing climbing upside rising falling vertical vertically don t s re ll ve d m isn
aren doesn didn won wooden dice lego cuboid chunk die number painted else colouring holder ready tub saucer
coloring help bucket roof summit foot peak whenever pan soup skyscraper undermost totem similar attention
rise according listen mixing show construction scattered alright step mate raise yo return atop change asap
produce reposition care based various design consists prepare forget decide such squares compose remaining
cheers add release saucers consisting plates cuboids free try basins touching height tubs holders composed
alone interior know terms remember pack vessels shiny unite bins lemon buckets baskets outside cups trays
carries dark tangerine join matter combine certain plastic receptacles says necessary collect kind pots
guide favor towards fix nearest skyward wondering rule search balance update dump room bathroom plonk employ
favour feel gather pocket covered closest focus hide furthest share count reads glass further barrel low
settle solve exactly simple suggest chuck slip allocate ruby tin roll imagine fit remote sink slot fall
select couple haul agrees canister pass supply space peg collected consider cable rearrange game counting
pipe cover think puzzle disc distributed provide equip appreciate stock charge scene bury meant remove
continue consist identify feed scoop mess idea furnish bears buy offer shares act numbered unless told split
newspaper described catch letter seize stopping receives shuffle press describe accept receive agree missing
cargo growing picture chess counted serve eat mixed important runs distributing layered photograph food
decreasing prefer reverse save hit mail command sandwich website sleep organising equally suppose expect
socks lined preceding customer chairs sell mother sinking returning footing melt introduce collecting sky
equals stocking successor predecessor lacking mount pushed separating destined joins providing intended
tucked parked finds settled slotted packed popped supplying chucked sticking tucking hauled stuck passing
itself stowed released waiting balancing accepts popping guided relocated fitted settling assigned parking
expects thrown reserved guiding travels dumped lacks added slipped slipping chucking hauling shifted
throwing stowing tossed passed mounted plonking releasing slotting balanced positioning dumping pushing
plonked
tells means nearer new written ceiling sooner deeper underside gives hear
seem believe although machines even helps arms robots seems works clever someone guess hurry strong several
actually yesterday anyone indeed careful tried everyone waited sentence uh fact thought maybe talked er um
often lab hours whole obviously series usual basically honestly dream somehow bit manage somebody cares
watching went crowded likes cluttered quick insist enjoy chaotic long full knows lunch deal messy untidy
explain busy yourself fun urgent favourite lost hard word test mention fancy continues exercise meet worth
air tidily words easy counts direction teacher sister short names son promised boss daughter brother leads
recipe lists shows travel heard staying climb thinking respect gt dad far tuff viewed descend ascend
""".split()

# Words of the hand-written templates (`sim/tasks/phrasings/written`): many say which way a tower goes.
_WRITTEN = """
past touches whoever weight empty feet overhead seat treat deepest opening storey buried cellar cake his
accordingly backwards shoulders falls opens attic grow neighbour camera ladder nest ant pedestal bare floors
repeat mean penthouse wears pole deck meets rain entry note point bun wet swallow everybody numbers follower
touch bed cherry burger soil rung snowman belly climbs eye log photo toward meaning covers except pls sees
happy sorry rim closes street neighbours closing upstairs mast rocket flag pressed opposite statue view
basement upright gap tonight true address twin roots treetop rock elevator downstairs chimney flood pad
diver altitude cream thread rises acrobats leader rooftop course flight cross throughout crawling face perch
heavy stops namely grandma storeys tree riding walking camp syrup uncover creeps nose hoist page leading
seabed rank chain landing spider valley cradle steps underfoot flick precedes shortest gravity exposed real
glad class headline label wall him pretty oldest figure mountain wedding passes lighthouse poured sheet
clouds wrote hits bar digging pavement copy mud elevation likewise forerunner offers appears prop forwards
lose hidden longest squashed drawn snow safe heaped uncovered distance suit action earliest post erected bet
enter curtain snail spec current team rebuild trouble eyes ladies gentlemen turned plinth finishes ticket
bench error code agreed hungry contents mix shoes slice lobby slopes tier pancakes wood volume crow
thermometer imaginary card ice jack arrival balloon crowd donkey keel ship foam heaviest mason steeple hang
waterfall heaven anchor doormat stars weighed route newcomer per shove preceded borne contact cheese crushed
bulb tape pulled dust heat trapped drill reveal dry energy hides shrinking pierce stood strain crane
disturbing weigh shouldn wit stage bedrock lookout recreate score darling hem report madam em u granny shot
oh spire description toe monument tilts grip glance mum dinner ingredient tomorrow drawing boots grandpa
kids guests surrounded lock sugar shelter content calls decides reunited fits reunite scalp strata soot
candle evening engine buttons g terrace chest drawers lasagne hooves running humblest lick cairn garden
capstone feather pebble coin rooster rings chart castle church princess mattresses pea blossom league hotel
dirty mound cornerstone onward forklift berth root toast rides slid serving caps closer platform shoulder
succession leaning successive topping fly trickle worst soft z tablecloth potential hardest toddler flying
glue sat feeling pressure hook deep squeeze onwards dismantled entries patient measure ride stone party
member raised king bedtime audience rafters strongest grass index garnish masthead captain swims heading
announced spotted scale maximum hay parcel orbit gaze st wide strikes wait looked rather though inventory
met map brush sound planted cold launch style pleased lip angel calling thx desired rules proceed samples
meeting wind trail doctor plain control ships forecast stool tenant net garage bath passenger lodge instead
dock nicer chef vanish twins camouflage coded resembles clash apply horse saddle patty legs crowns residents
tenants flats toes youngest village carve observation bride groom smoke brushes freely flame ranking sun
shadow mercury fountain tiered cards entrance driving multi ramp exit body horns scoops beanstalk late early
tail departure draws bubble flyer waves backs animals shell turtles muddy horizontal stripe stripes segments
pennant drink sunken dregs dungeon battlements crypt ledges christmas trunk club scrolled reception
directory trolley suitcases wheels folded jumpers cushion delivers postman washes parapet cleaner role
ornament weathervane skirting bookcase cornice trifle firewood pallets warehouse sail sole mushroom fashion
moss stalk inbox doors train bunks weathercock skylight eagle hut mountaineer rack facing butter manner prev
adjacent etc weighs successively pressing matters fresh farther turns thereafter tread successors
predecessors forward forerunners crowning raising aloud ranked visible alight flattened jelly hangs swipe
sinks measuring covering honey damp reaches heights pinned fetching needing collapses lake cloth yanked
whipped rained sway wobbles greatest worker laziest wets puddle scanner torch beam bounce sticker dictated
topples squeezed hail crumb unpacking paw swiping drowned freeing tied demolition cheating tie string
vanished remained widths sunlight weighing access nail driven teeth nibbling mouse brunt burning warm mist
tap unloaded supporter mass breeze mark inky nudged attach centimetres inches trips trodden fooled began
loud writing started unstacked reproduce chronological rightmost leftmost saving begun extend film heads
latest grateful wearing retraces relies burden somewhere aloft buries her ridge sill frame twice descent
requesting english tippy kid assume verb boards printed listeners antenna guest homework drilling shipmate
surfacing lineup confirm breaking arrived landed noted chord farthest feels reason neck sweetie collar wagon
recipient subject restore houston general precise throne sweetheart o strongman relax lone become encounter
comprises climbed otherwise provided lines changed visit honour terribly newly adds fashioned practically
thus elements members spell crosses walks wander aiming float alongside rode foundations presents reader
scan blindly thru drone films border scrolling topside south north hoisted creeping trickling drifting tour
measured mountaintop hull rig fully strike skewer dot sweeping laser hot minimum axis grows floorboards
crouch chin recite mutter tick sesame saved succeed encounters ivy zip force pool recognise noon excuses
displayed catalogued murmur hiya faithfully inspector bother cookie fiver shopping pictured inspected method
ingredients stuns town local children circus bunk architect assembly engines outfit version forthwith sample
protocol sarge picturing sturdiest frailest recap miss voicemail wild bug rendering renders hops cricket
flea dreamt diary majesty exam luck minutes birthday tiers yelled exhibit install native servants court
cocktail showed detective suspect arguing decided spines bales trick finale redo model via descends spine
skull tailbone arr matey shop rearmost operator sailors rocks wardrobe sweaters fog resolve chop starter
service rhyme practice fireman psst spells secret self reminder sight regret plaque mayor procedure bell egg
lonely harbour dunk hoop waiter pretend treasure walls breakfast unload visitors hollow lump happier
surround caught trap occupant loose forgot delivery custody granted filed stir season rescue aboard boat
discover march vacant watch stocked supplied whether due nestled possession trip enclosed hover occupied
mummy regards caption eats silly curator wise hop sea grant letters marry nests laundry jerseys players
teams birds foreign flags bees recycling ups memory basis homes mismatch knocking wear beds suits united
stranger w helmet rider piggyback versa vice living doll
presses gave neat typed drew climber giving previously happen wonder types appear understood chose rungs
ended rush ideal swap treating reckoned writes underpinning stairs spelled flat serves uses lovely pans
perched raindrop bricklayer initial prove taller handed served wire sketch crawled unit scanned imagining
saying sleeping require title baker perching dresser cabinet carpet longer actual handle differently crust
speaking mimic waving poster fast showing removed pushes describes spirit geological comma distant sniff
dismantling roofs cannot describing bows staircase blankets hats hiker depths precede overlies underlies
props clink lob henceforth tooth
""".split()

SHADES = {
    "crimson": "red", "scarlet": "red", "ruby": "red", "amber": "orange", "tangerine": "orange",
    "golden": "yellow", "lemon": "yellow", "emerald": "green", "lime": "green", "turquoise": "cyan",
    "aqua": "cyan", "teal": "cyan", "light blue": "cyan", "navy": "blue", "dark blue": "blue",
    "azure": "blue", "violet": "purple", "lilac": "purple", "magenta": "pink", "rose": "pink",
}  # fmt: skip

VOCABULARY: tuple[str, ...] = tuple(
    dict.fromkeys([*SPECIAL, *ENTITY_WORDS, *OBJECT_WORDS, *ANSWER_WORDS, *_PLAIN, *_WRITTEN, READING_TOKEN])
)

PLAIN_WORDS = frozenset(_PLAIN)

_KINDS = "|".join(KINDS)
_ENTITY = re.compile(rf"\b({'|'.join(COLOURS)}) ({_KINDS})\b")
_WORD = re.compile(r"<[a-z]+(?::\d+)?>|[a-z]+(?:_[a-z0-9]+)?|\d+|[^\sa-z0-9]")


_COLOUR = re.compile(rf"\b({'|'.join([*sorted(SHADES, key=len, reverse=True), *COLOURS])}|obj_\d+)\b")

_IN_TURN = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "cyan")


def mentions(text: str) -> list[str]:
    """Colours and `obj_k` in the order in which `text` first names them; shades as their colour."""
    return list(
        dict.fromkeys(
            SHADES.get(w, w) for w in _COLOUR.findall(text.lower().replace("_", " ").replace("obj ", "obj_"))
        )
    )


def recoloured(text: str) -> str:
    """`text` in lower case, what it names first called red, then blue, green, yellow and so on.

    Which colours are named says nothing of what is to become of them; what reads a sentence as a whole
    (`InstructionEncoder`) need not learn that.
    """
    text = text.lower().replace("_", " ").replace("obj ", "obj_")
    order = {name: _IN_TURN[k % len(_IN_TURN)] for k, name in enumerate(mentions(text))}
    return _COLOUR.sub(lambda m: order[SHADES.get(m[0], m[0])], text)


def split_words(text: str) -> list[str]:
    """Lower-cased words of `text`, entities merged: "the Red block." -> ["the", "red_block", "."].

    The tokenizer splits the same way; this function is its fast twin for making training data.
    """
    return _WORD.findall(_ENTITY.sub(r"\1_\2", text.lower()))
